//! Properties 9 and 10 of take-overs: who writes the next slot was allowed to, and two machines do not take a place from
//! each other for ever.

use crate::outcome::Violation;
use engine::replicate::TakeOver;
use engine::store::Sha256;
use engine::types::Txid;
use std::collections::BTreeSet;

/// Who owns the place, and who has lost it.
#[derive(Clone, Debug, Default)]
pub struct Ownership {
    owner: Option<usize>,
    /// The owner has announced a slot. Who has not was on its way to take the place: losing it is no loss, and it may
    /// go on trying.
    held: bool,
    /// Machines that another one took the place from.
    lost: BTreeSet<usize>,
    /// Machines of which an operator said that they may take it. The slot that they lost it to may be seen later.
    permits: BTreeSet<usize>,
}

/// What is known of a writer when it writes a slot on top of another's.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// The machine.
    pub machine: usize,
    /// What this life of it was told.
    pub take_over: TakeOver,
    /// It began with a copy of the owner's state directory: to itself it is the owner.
    pub is_copy_of: Option<usize>,
}

impl Ownership {
    /// An operator says that this machine may take the place.
    pub fn permit(&mut self, machine: usize) {
        self.permits.insert(machine);
    }

    /// What this machine lost, it was not told: its daemon was down, and the configuration counts as before (decision
    /// 0015).
    pub fn was_not_told(&mut self, machine: usize) {
        self.lost.remove(&machine);
    }

    /// Whether the newest slot is this machine's.
    pub fn is_owner(&self, machine: usize) -> bool {
        self.owner == Some(machine)
    }

    /// Whether the newest slot is another machine's.
    pub fn is_of_another(&self, machine: usize) -> bool {
        self.owner.is_some_and(|owner| owner != machine)
    }

    /// A machine announces a slot of its own.
    pub fn announced(&mut self, machine: usize) {
        self.held |= self.owner == Some(machine);
    }

    /// A slot counts. `was_identical`: whether the writer's database was, at some moment of this life, the state in
    /// which the slot before left the place.
    pub fn slot(
        &mut self,
        txid: Txid,
        writer: Writer,
        head: Option<Sha256>,
        was_identical: impl FnOnce(Sha256) -> bool,
    ) -> Result<(), Violation> {
        let machine = writer.machine;
        let Some(owner) = self.owner.replace(machine).filter(|owner| *owner != machine) else {
            return Ok(());
        };
        let wrong = |why: &str| {
            let message = format!("slot {txid}: machine {machine} took the place of machine {owner} {why}");
            Err(Violation::new(9, message))
        };
        if std::mem::take(&mut self.held) {
            self.lost.insert(owner);
        }
        let permitted = self.permits.remove(&machine);
        if self.lost.remove(&machine) && !permitted {
            return wrong("from which it had lost it, and no operator said so");
        }
        // The word was for the life that wrote the slot; this one may only announce it.
        if permitted || writer.is_copy_of == Some(owner) {
            return Ok(());
        }
        match writer.take_over {
            TakeOver::Never => wrong("although it may never"),
            TakeOver::IfIdentical if head.is_some_and(|head| !was_identical(head)) => {
                wrong("although it was not identical")
            }
            TakeOver::IfIdentical | TakeOver::Always | TakeOver::Insist => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ownership, Writer};
    use engine::replicate::TakeOver;
    use engine::store::Sha256;
    use engine::types::Txid;

    fn writer(machine: usize, take_over: TakeOver) -> Writer {
        Writer { machine, take_over, is_copy_of: None }
    }

    fn slot(place: &mut Ownership, writer: Writer, identical: bool) -> Result<(), u32> {
        let head = Some(Sha256([1; 32]));
        let counts = place.slot(Txid::ONE, writer, head, |_| identical);
        counts.map_err(|violation| violation.property)?;
        place.announced(writer.machine);
        Ok(())
    }

    #[test]
    fn place_is_taken_only_by_who_may() {
        for (take_over, identical, may) in [
            (TakeOver::Never, true, false),
            (TakeOver::IfIdentical, true, true),
            (TakeOver::IfIdentical, false, false),
            (TakeOver::Always, false, true),
        ] {
            let mut place = Ownership::default();
            assert_eq!(slot(&mut place, writer(0, TakeOver::Never), false), Ok(()));
            let taken = slot(&mut place, writer(1, take_over), identical);
            assert_eq!(taken, if may { Ok(()) } else { Err(9) }, "{take_over:?} {identical}");
        }
    }

    #[test]
    fn place_is_taken_back_only_with_an_operators_word() {
        let mut place = Ownership::default();
        slot(&mut place, writer(0, TakeOver::Always), false).unwrap();
        slot(&mut place, writer(1, TakeOver::Always), false).unwrap();
        let mut with_word = place.clone();
        assert_eq!(slot(&mut place, writer(0, TakeOver::Always), false), Err(9));
        with_word.permit(0);
        assert_eq!(slot(&mut with_word, writer(0, TakeOver::Insist), false), Ok(()));
    }

    #[test]
    fn place_that_was_never_held_is_not_lost() {
        let mut place = Ownership::default();
        for machine in [0, 1, 0, 1] {
            let head = Some(Sha256([1; 32]));
            let counts = place.slot(Txid::ONE, writer(machine, TakeOver::Always), head, |_| false);
            assert!(counts.is_ok(), "claims in a race");
        }
    }
}
