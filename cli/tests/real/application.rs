//! The application: a Python process with its own SQLite, which does what it is told.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running application.
pub(crate) struct Application {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Application {
    /// Starts it. A database that is not there is made, with that page size.
    pub(crate) fn start(database: &Path, page_size: u32) -> Application {
        let mut process = Command::new("python3")
            .args(["-c", include_str!("application.py")])
            .arg(database)
            .arg(page_size.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut application = Application { process, commands, answers };
        application.answer();
        application
    }

    /// Has one command done.
    pub(crate) fn run(&mut self, command: &str, arguments: &[Value]) -> Value {
        self.send(command, arguments);
        self.answer()
    }

    /// Sends a command and does not wait for it.
    pub(crate) fn send(&mut self, command: &str, arguments: &[Value]) {
        let mut line = vec![json!(command)];
        line.extend_from_slice(arguments);
        writeln!(self.commands.as_mut().unwrap(), "{}", Value::Array(line)).unwrap();
    }

    /// Waits for the answer to the oldest command.
    pub(crate) fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("the application failed; it said why on stderr")
    }

    /// Closes the database and ends the process.
    pub(crate) fn close(mut self) {
        self.run("close", &[]);
        drop(self.commands.take());
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // Of a test that failed: whether it still ran does not matter.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
