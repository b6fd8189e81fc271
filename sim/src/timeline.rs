//! A run as a page for a browser: one lane for the application, the engine, the disk, the store and the faults, and the
//! moment at which a promise broke. The page needs nothing but itself.

use crate::outcome::Outcome;
use serde::Serialize;

/// The page of a run whose events were all kept.
pub fn html(outcome: &Outcome, settings: &str) -> String {
    let events: Vec<Event<'_>> = outcome.events.iter().filter_map(|line| Event::parse(line)).collect();
    let violation = outcome.violation.as_ref().map(ToString::to_string);
    let run = Run { seed: outcome.seed, line: outcome.line(), settings, violation, lanes: LANES, events };
    let data = serde_json::to_string(&run).expect("strings and numbers");
    // What a subject says must not end the script.
    PAGE.replace("/*RUN*/", &data.replace("</", "<\\/"))
}

const PAGE: &str = include_str!("timeline.html");
const LANES: [&str; 5] = ["application", "engine", "disk", "store", "faults"];

#[derive(Serialize)]
struct Run<'a> {
    seed: u64,
    line: String,
    settings: &'a str,
    violation: Option<String>,
    lanes: [&'static str; 5],
    events: Vec<Event<'a>>,
}

/// A line of the trace: when, in which lane, what it says.
#[derive(Serialize)]
struct Event<'a>(f64, usize, &'a str);

impl<'a> Event<'a> {
    fn parse(line: &'a str) -> Option<Event<'a>> {
        let (time, what) = line.split_once(' ')?;
        Some(Event(time.parse().ok()?, lane(what), what))
    }
}

/// By the first words of an event, as `Trace::record` is called with them.
fn lane(what: &str) -> usize {
    let begins = |words: &[&str]| words.iter().any(|word| what.starts_with(word));
    let of_store = [
        "send",
        "answer",
        "put",
        "get",
        "head",
        "list",
        "delete",
        "start upload",
        "upload part",
        "complete upload",
        "abort upload",
    ];
    let of_faults = [
        "kill",
        "power",
        "disk fault",
        "disk full",
        "outage",
        "rot",
        "foreign",
        "garbage",
        "torn",
        "dropped",
    ];
    if begins(&["operation", "application", "image"]) {
        0
    } else if begins(&["notice", "job", "state", "poke"]) {
        1
    } else if begins(&of_faults) {
        4
    } else if begins(&of_store) {
        3
    } else {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Violation;

    #[test]
    fn page_holds_every_event_in_its_lane_and_no_subject_ends_the_script() {
        let events = [
            "0.000100 operation Rest",
            "0.000200 notice Durable",
            "0.000300 write /a offset=0 bytes=3",
            "0.000400 send prod/</script>/x request=1",
            "0.000500 disk fault pid=1 kind=2",
        ];
        let outcome = Outcome {
            seed: 7,
            trace: "00".to_owned(),
            violation: Some(Violation::new(6, "gone")),
            simulated: std::time::Duration::ZERO,
            happened: 0,
            coverage: crate::coverage::Coverage::default(),
            events: events.map(str::to_owned).to_vec(),
        };
        let page = html(&outcome, "Settings");
        let lanes: Vec<usize> = events.iter().map(|line| Event::parse(line).expect("an event").1).collect();
        assert_eq!(lanes, [0, 1, 2, 3, 4]);
        assert_eq!(page.matches("</script>").count(), PAGE.matches("</script>").count());
        assert!(page.contains("property 6: gone") && page.contains("seed 7 FAILED property=6"));
        assert!(page.contains(r#"[0.0004,3,"send prod/<\/script>/x request=1"]"#));
    }
}
