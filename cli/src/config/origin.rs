//! Where a value came from.

use std::fmt;

/// Where a value came from; also where a problem with it is to be mended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The key table.
    Default,
    /// The configuration file.
    File {
        /// Line of the key, from 1.
        line: u32,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// The command line.
    Flag {
        /// As it is written there, or the argument's name.
        flag: &'static str,
    },
}

impl Origin {
    /// The line of the file, if it is one.
    pub fn line(&self) -> Option<u32> {
        if let Origin::File { line } = self { Some(*line) } else { None }
    }
}

/// The words of the JSON contract: `flag`, `environment`, `file:LINE`, `default`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { line } => write!(f, "file:{line}"),
            Origin::Environment { .. } => f.write_str("environment"),
            Origin::Flag { .. } => f.write_str("flag"),
        }
    }
}
