use crate::restore::world::{World, key, txid};
use crate::restore::*;

const NONE: [u64; 0] = [];

fn points_of(world: &World) -> Vec<u64> {
    world.points(&mut Knowledge::default())
}

#[test]
fn inner_states_of_a_compacted_range_are_no_points() {
    let world = World::of(&[key(9, 1, 4), key(1, 5, 8), key(0, 7, 7), key(0, 8, 8), key(0, 9, 9)]);
    assert_eq!(points_of(&world), [4, 8, 9]);
}

#[test]
fn an_object_that_starts_inside_a_snapshot_goes_on_from_it() {
    assert_eq!(points_of(&World::of(&[key(9, 1, 3), key(1, 3, 5)])), [3, 5]);
}

#[test]
fn nothing_is_a_point_without_a_base() {
    assert_eq!(points_of(&World::of(&[key(0, 2, 2), key(1, 3, 5)])), NONE);
}

#[test]
fn a_full_image_behind_a_gap_starts_a_chain() {
    let mut world = World::of(&[key(0, 1, 1), key(0, 3, 3), key(0, 4, 4), key(0, 5, 5)]);
    assert_eq!(points_of(&world), [1]);
    world.full_images.insert(key(0, 4, 4));
    assert_eq!(points_of(&world), [1, 4, 5]);
}

#[test]
fn nobody_looks_for_full_images_where_nothing_is_missing() {
    let world = World::of(&[key(9, 1, 2), key(1, 3, 6), key(0, 5, 5), key(0, 6, 6), key(0, 7, 7)]);
    let (_, asked) = world.drive(&mut Knowledge::default(), |l, k| Ok(points(l, k)));
    assert_eq!(asked, 0);
}

#[test]
fn the_search_for_full_images_ends() {
    let keys: Vec<_> = (3..600).map(|n| key(0, n, n)).collect();
    let (_, asked) = World::of(&keys).drive(&mut Knowledge::default(), |l, k| Ok(points(l, k)));
    assert_eq!(asked, 256);
}

#[test]
fn a_first_image_of_ours_counts_only_with_its_claim() {
    let (image, claim) = (key(9, 1, 1), key(0, 2, 2));
    let alone = World::of(&[image]).tag(image, 0, 7);
    assert_eq!(points_of(&alone), NONE);
    let won = World::of(&[image, claim]).tag(image, 0, 7).tag(claim, 7, 7);
    assert_eq!(points_of(&won), [1, 2]);
    let lost = World::of(&[image, claim]).tag(image, 0, 7).tag(claim, 8, 8);
    assert_eq!(points_of(&lost), NONE);
    let of_another_tool = World::of(&[image]);
    assert_eq!(points_of(&of_another_tool), [1]);
}

#[test]
fn a_snapshot_does_not_tell_the_time_of_a_point_if_anything_else_does() {
    let mut keys = vec![key(9, 1, 1), key(9, 1, 4), key(2, 2, 4), key(1, 2, 4), key(0, 3, 3), key(0, 4, 4)];
    keys.extend([key(0, 2, 2), key(9, 1, 5), key(0, 5, 5)]);
    let world = World::of(&keys);
    let (found, _) = world.drive(&mut world.all_headers(), |l, k| Ok(points(l, k)));
    let timed_by: Vec<_> = found.unwrap().iter().map(|p| p.timed_by).collect();
    assert_eq!(timed_by, [key(9, 1, 1), key(0, 2, 2), key(0, 3, 3), key(1, 2, 4), key(0, 5, 5)]);
}

#[test]
fn what_changed_since_is_forgotten() {
    let world = World::of(&[key(9, 1, 4), key(0, 5, 5)]);
    let mut known = world.all_headers();
    let without = World::of(&[key(9, 1, 4)]);
    known.forget_changed(&world.listing(), &without.listing());
    assert!(known.header(key(9, 1, 4)).is_some());
    assert!(known.header(key(0, 5, 5)).is_none());
    assert_eq!(known.time(key(9, 1, 4)).unwrap().as_millis(), 10 * txid(4).into_inner() as i64);
}
