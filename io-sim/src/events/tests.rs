use super::*;
use crate::random::{Random, Stream};
use engine::types::Instant;

fn order(seed: u64, times: &[u64]) -> Vec<usize> {
    let mut queue = Queue::new(Random::new(seed, Stream::Events));
    for (i, at) in times.iter().enumerate() {
        queue.push(Instant::from_micros(*at), i);
    }
    std::iter::from_fn(|| queue.pop()).map(|(_, i)| i).collect()
}

#[test]
fn events_come_in_the_order_of_time() {
    assert_eq!(order(1, &[30, 10, 20]), [1, 2, 0]);
}

#[test]
fn the_seed_orders_the_events_of_one_moment() {
    let orders: Vec<_> = (0..50).map(|seed| order(seed, &[5, 5, 5])).collect();
    assert!(orders.iter().any(|o| *o != orders[0]));
    assert_eq!(order(3, &[5, 5, 5]), orders[3]);
}

#[test]
fn a_cancelled_event_does_not_happen_and_a_later_one_waits() {
    let mut queue = Queue::new(Random::new(1, Stream::Events));
    let early = queue.push(Instant::from_micros(1), "early");
    queue.push(Instant::from_micros(9), "late");
    assert_eq!(queue.cancel(early), Some("early"));
    assert_eq!(queue.cancel(early), None);
    assert_eq!(queue.pop_due(Instant::from_micros(8)), None);
    assert_eq!(queue.pop_due(Instant::from_micros(9)), Some((Instant::from_micros(9), "late")));
    assert!(queue.is_empty());
}
