//! `s3-server`: the tests' S3 server as a process, for shell scripts and other languages. Prints its endpoint
//! and serves until it is killed. Keys: `testkey`, `testsecret`.

use clap::Parser;
use std::net::SocketAddr;
use tests::s3::S3Server;

/// An S3 server that keeps everything in memory.
#[derive(Parser)]
struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Ignore the conditions of conditional writes, as some S3-compatible stores do.
    #[arg(long)]
    ignore_conditions: bool,
    /// The same for the completion of uploads in parts only.
    #[arg(long)]
    ignore_conditions_on_complete: bool,
    /// Buckets to begin with.
    #[arg(required = true)]
    buckets: Vec<String>,
}

fn main() {
    let arguments = Arguments::parse();
    let buckets: Vec<&str> = arguments.buckets.iter().map(String::as_str).collect();
    let server = S3Server::start_at(SocketAddr::from(([127, 0, 0, 1], arguments.port)), &buckets);
    server.set_ignore_conditions(arguments.ignore_conditions);
    server.set_ignore_conditions_on_complete(arguments.ignore_conditions_on_complete);
    println!("{}", server.endpoint());
    loop {
        std::thread::park();
    }
}
