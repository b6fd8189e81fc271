//! What a running daemon costs and how late it is, measured on the real binary: `cargo bench -p cli --bench promises
//! [-- EXPERIMENT...]`.
//!
//! Each experiment prints its figures beside what they are to be compared with, both from the same run. Nothing is
//! asserted: machines are shared. The figures that were seen are in `docs/measurements.md`.

mod daemon;
mod durability;
mod figure;
mod footprint;
mod life;
mod restore;
mod snapshot;
mod stall;
mod throughput;
mod writer;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let all: [(&str, fn()); 7] = [
        ("durability", durability::measure),
        ("throughput", throughput::measure),
        ("stall", stall::measure),
        ("restore", restore::measure),
        ("snapshot", snapshot::measure),
        ("life", life::measure),
        ("footprint", footprint::measure),
    ];
    for (name, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("\n## {name}\n");
            measure();
        }
    }
}
