//! Objects that are not what they were: each is named, and by the right look.

use crate::scene::{CLAIM, IMAGE, LARGE, NEWEST, SMALL, Scene, index_at};

#[test]
fn a_flipped_bit_is_found_in_each_region_of_an_object() {
    for scene in Scene::both() {
        for object in [IMAGE, LARGE] {
            let bytes = scene.get(object);
            let (index, end) = (index_at(&bytes), bytes.len());
            // Magic, page size, TXID: the header alone shows it.
            for at in [0, 11, 23] {
                scene.with(object, |b| b[at] ^= 1, |s| s.assert_found(object, "header"));
            }
            // The writer's checksum after: what continues it does not fit.
            scene.with(object, |b| b[95] ^= 1, |s| s.assert_found(object, "after"));
            // The time is covered by the file checksum alone.
            scene.with(object, |b| b[38] ^= 1, |s| s.assert_found_deep(object, "time"));
            scene.with(object, |b| b[5000] ^= 1, |s| s.assert_found_deep(object, "page"));
            scene.with(object, |b| b[index + 3] ^= 1, |s| s.assert_found(object, "page index"));
            scene.with(object, |b| b[end - 17] ^= 1, |s| s.assert_found(object, "size of the index"));
            scene.with(object, |b| b[end - 8] ^= 0x80, |s| s.assert_found(object, "no file checksum"));
            scene.with(object, |b| b[end - 1] ^= 1, |s| s.assert_found_deep(object, "file checksum"));
        }
        // Small ones take one request, and then all of it is there.
        let (middle, end) = (scene.get(SMALL).len() / 2, scene.get(SMALL).len());
        for at in [0, 38, middle, index_at(&scene.get(SMALL)) + 1, end - 1] {
            scene.with(SMALL, |b| b[at] ^= 1, |s| s.assert_found(SMALL, "a small object"));
        }
        scene.assert_ok();
    }
}

#[test]
fn what_is_cut_off_gone_swapped_renamed_or_strange_is_named() {
    for scene in Scene::both() {
        for object in [IMAGE, SMALL, LARGE, NEWEST] {
            scene.with(object, |b| b.truncate(b.len() - 1), |s| s.assert_found(object, "cut off"));
            scene.with(object, |b| b.truncate(50), |s| s.assert_found(object, "a piece of a header"));
            scene.with(object, |b| b.push(0), |s| s.assert_found(object, "too long"));
        }
        // Of what is gone the name is no object's any more: what is missing is told by TXID, or by what needs it.
        for (object, needed_by) in [(SMALL, LARGE), (LARGE, NEWEST), (CLAIM, IMAGE), (IMAGE, CLAIM)] {
            let bytes = scene.get(object);
            scene.remove(object);
            scene.assert_found(needed_by, "gone");
            scene.put(object, &bytes);
        }
        let (small, newest) = (scene.get(SMALL), scene.get(NEWEST));
        scene.put(SMALL, &newest);
        scene.put(NEWEST, &small);
        scene.assert_found(SMALL, "swapped");
        scene.assert_found(NEWEST, "swapped");
        scene.put(SMALL, &small);
        scene.put(NEWEST, &newest);
        // Under the name of a slot that nobody wrote yet, and under a name that means nothing.
        scene.remove(SMALL);
        scene.put("0/0000000000000009-0000000000000009", &small);
        scene.assert_found("0/0000000000000009-0000000000000009", "renamed");
        scene.assert_found(LARGE, "the gap where it was");
        scene.remove("0/0000000000000009-0000000000000009");
        scene.put("0/three", &small);
        scene.assert_found(LARGE, "the gap where it was");
        let verdict = scene.verify(false);
        let notes = verdict.document["databases"][0]["notes"].to_string();
        assert!(notes.contains("three.ltx") && notes.contains("stranger"), "{notes}");
        scene.remove("0/three");
        scene.put(SMALL, &small);
        scene.assert_ok();
    }
}

#[test]
fn objects_of_another_history_under_the_same_names_are_named() {
    for scene in Scene::both() {
        scene.replicate("other", 2);
        for object in [IMAGE, CLAIM, SMALL, LARGE, NEWEST] {
            let stranger = scene.get_of("other", object);
            assert_ne!(stranger, scene.get(object));
            scene.with(object, |b| *b = stranger, |s| s.assert_found(object, "of another history"));
        }
    }
}
