use super::*;
use crate::types::Level;
use std::time::Duration;

fn level(n: u8) -> Level {
    Level::new(n).unwrap()
}

fn levels(numbers: &[u8]) -> Result<Levels, LevelsError> {
    Levels::new(numbers.iter().map(|n| (level(*n), Duration::from_secs(u64::from(*n)))))
}

#[test]
fn levels_are_made_from_the_next_lower_one_that_is_made() {
    let made = levels(&[1, 3, 8]).unwrap();
    assert_eq!(made.below(level(1)), Some(Level::L0));
    assert_eq!(made.below(level(3)), Some(level(1)));
    assert_eq!(made.below(level(8)), Some(level(3)));
    assert_eq!(made.below(level(2)), None);
    assert_eq!(made.interval(level(3)), Some(Duration::from_secs(3)));
    assert_eq!(made.interval(level(2)), None);
    assert_eq!(levels(&[]).unwrap().iter().count(), 0);
}

#[test]
fn levels_that_cannot_be_made_are_refused() {
    assert_eq!(levels(&[0, 1]), Err(LevelsError::NotCompacted(Level::L0)));
    assert_eq!(levels(&[1, 9]), Err(LevelsError::NotCompacted(Level::SNAPSHOT)));
    assert_eq!(levels(&[2, 1]), Err(LevelsError::NotAscending(level(1))));
    assert_eq!(levels(&[2, 2]), Err(LevelsError::NotAscending(level(2))));
    assert_eq!(Levels::new([(level(1), Duration::ZERO)]), Err(LevelsError::NoInterval(level(1))));
}

#[test]
fn default_is_half_a_minute_five_minutes_and_an_hour() {
    let seconds: Vec<_> =
        Levels::default().iter().map(|(level, every)| (level.get(), every.as_secs())).collect();
    assert_eq!(seconds, [(1, 30), (2, 300), (3, 3600)]);
}
