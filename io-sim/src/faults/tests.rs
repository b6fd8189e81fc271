use super::*;

#[test]
fn each_fault_is_on_in_some_seeds_and_off_in_others() {
    let all: Vec<Faults> = (0..100).map(Faults::swarm).collect();
    let rates: [fn(&Faults) -> bool; 8] = [
        |f| f.application_disk.read_eio_ppm > 0,
        |f| f.application_disk.fsync_eio_ppm > 0,
        |f| f.daemon_disk.read_flip_ppm > 0,
        |f| f.network.duplicate_ppm > 0,
        |f| f.network.outage_ppm > 0,
        |f| f.process.power_cut_ppm > 0,
        |f| f.process.fills_disk,
        |f| f.reuse_inodes,
    ];
    for (i, on) in rates.iter().enumerate() {
        let count = all.iter().filter(|f| on(f)).count();
        assert!((1..100).contains(&count), "fault {i} is on in {count} of 100 seeds");
    }
    assert_eq!(Faults::swarm(3), Faults::swarm(3));
}

#[test]
fn no_seed_breaks_sqlite_itself() {
    for seed in 0..1000 {
        let faults = Faults::swarm(seed);
        let eio = faults.application_disk.fsync_eio_ppm + faults.daemon_disk.fsync_eio_ppm;
        assert!(eio == 0 || faults.process.power_cut_ppm == 0, "seed {seed}");
        assert_eq!(faults.application_disk.lying_fsync_ppm + faults.application_disk.read_flip_ppm, 0);
    }
}
