//! Clocks that jump and drift, a disk that is full.

use super::*;

impl World<'_> {
    pub(super) fn jump_wall(&mut self, number: usize, ms: i64) -> Checked {
        if let Some(machine) = self.machines.get(number) {
            machine.disk.clock().jump_wall_ms(ms);
            self.coverage.reached(Reached::WallJumped);
        }
        Ok(())
    }

    /// Each machine's wall clock runs at a pace of its own.
    pub(super) fn drift(&self, number: usize) {
        let ppm_max = self.settings.faults.process.wall_drift_ppm_max;
        let mut draw = Random::indexed(self.seed, Stream::Clock, number.try_into().expect("two machines"));
        let ppm = i32::try_from(draw.below(2 * u64::from(ppm_max) + 1)).expect("below a million");
        let ppm = ppm - i32::try_from(ppm_max).expect("below a million");
        self.machines[number].disk.clock().set_wall_drift_ppm(ppm);
    }

    pub(super) fn fill_disk(&mut self, room_bytes: u64) -> Checked {
        let disk = &self.machines[0].disk;
        disk.set_capacity_bytes(Some(disk.used_bytes() + room_bytes));
        Ok(())
    }

    pub(super) fn free_disk(&mut self) -> Checked {
        let disk = &self.machines[0].disk;
        disk.set_capacity_bytes(None);
        if disk.stats().refused_for_space > 0 {
            self.coverage.reached(Reached::DiskFull);
        }
        if disk.stats().failed_fsyncs > 0 {
            self.coverage.reached(Reached::SyncFailed);
        }
        if disk.stats().failed_unlinks > 0 {
            self.coverage.reached(Reached::UnlinkFailed);
        }
        Ok(())
    }
}
