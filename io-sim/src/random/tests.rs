use super::*;

#[test]
fn the_meaning_of_a_seed_never_changes() {
    let mut plan = Random::new(0, Stream::Plan);
    let mut crash = Random::indexed(7, Stream::DiskCrash, 3);
    assert_eq!(
        [plan.next_u64(), plan.below(1000), crash.next_u64(), crash.range(10, 20)],
        [7_174_189_041_603_911_774, 722, 14_026_703_645_815_556_138, 15]
    );
}

#[test]
fn streams_and_sub_streams_are_independent() {
    let first = |stream, index| Random::indexed(1, stream, index).next_u64();
    let all =
        [first(Stream::Plan, 0), first(Stream::Plan, 1), first(Stream::Swarm, 0), first(Stream::Swarm, 1)];
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a != b));
    }
}

#[test]
fn draws_stay_in_their_range_and_reach_its_ends() {
    let mut random = Random::new(5, Stream::Workload);
    let drawn: Vec<u64> = (0..1000).map(|_| random.range(3, 7)).collect();
    assert!(drawn.iter().all(|n| (3..=7).contains(n)));
    assert!((3..=7).all(|n| drawn.contains(&n)));
    assert!((0..100).all(|_| random.below(1) == 0));
}

#[test]
fn rates_are_parts_per_million() {
    let mut random = Random::new(5, Stream::Workload);
    let hits = (0..100_000).filter(|_| random.ppm(100_000)).count();
    assert!((9_500..10_500).contains(&hits), "{hits}");
    assert!((0..100).all(|_| random.ppm(1_000_000)));
    assert!((0..100).all(|_| !random.ppm(0)));
}

#[test]
fn a_fault_that_is_switched_off_does_not_shift_another() {
    let draw = |other_ppm| {
        let mut dice = Dice::new(9, Stream::DiskFault, 0);
        (0..200)
            .map(|_| {
                dice.hit(1, other_ppm);
                dice.hit(2, 300_000)
            })
            .collect::<Vec<bool>>()
    };
    assert_eq!(draw(0), draw(500_000));
    let mut dice = Dice::new(9, Stream::DiskFault, 0);
    assert_ne!(dice.of(1).next_u64(), dice.of(2).next_u64());
}
