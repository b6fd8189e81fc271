//! The chains around what is wrong: from the base before it to the base after it.

use super::trouble::Trouble;
use crate::key::ObjectKey;
use crate::mutants::{Mutant, mutated};
use crate::types::Txid;
use std::collections::BTreeMap;
use std::ops::Bound;

/// TXIDs whose objects are left alone, as disjoint ascending ranges.
#[derive(Default)]
pub(super) struct Broken {
    chains: Vec<Chain>,
}

#[derive(Clone)]
struct Chain {
    first: Txid,
    /// `None`: up to the newest.
    last: Option<Txid>,
    trouble: Trouble,
}

impl Broken {
    /// Widens each trouble to the bases around it. Where several share a chain, the first tells.
    pub(super) fn new(troubles: &[Trouble], bases: &BTreeMap<Txid, ObjectKey>) -> Broken {
        if mutated(Mutant::RetentionBreakIgnored) {
            return Broken::default();
        }
        let around = |trouble: &Trouble| {
            let (first, last) = trouble.span()?;
            let from = bases.range(..first).next_back().map_or(Txid::ONE, |(end, _)| *end);
            let beyond = (Bound::Excluded(last), Bound::Unbounded);
            let to = bases.range(beyond).next().map(|(end, _)| *end);
            Some(Chain { first: from, last: to, trouble: trouble.clone() })
        };
        let mut chains: Vec<Chain> = troubles.iter().filter_map(around).collect();
        chains.sort_by_key(|chain| chain.first);
        let mut merged: Vec<Chain> = Vec::new();
        for chain in chains {
            match merged.last_mut() {
                Some(before) if before.last.is_none_or(|end| chain.first <= end) => {
                    before.last = before.last.zip(chain.last).map(|(left, right)| Ord::max(left, right));
                }
                _ => merged.push(chain),
            }
        }
        Broken { chains: merged }
    }

    /// What is wrong with the chain that any of these TXIDs belongs to.
    pub(super) fn within(&self, first: Txid, last: Txid) -> Option<&Trouble> {
        let ended = self.chains.partition_point(|chain| chain.last.is_some_and(|end| end < first));
        self.chains.get(ended).filter(|chain| chain.first <= last).map(|chain| &chain.trouble)
    }
}
