//! What all tests of compaction need.

mod any_place;
mod due;
mod holes;
mod levels;
mod plan;

use super::*;
use crate::key::ObjectKey;
use crate::types::{Checksum, PageSize, Timestamp};
