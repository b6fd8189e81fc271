//! The object store: put-if-absent, deletes, multipart uploads, and times of arrival.

use super::object::{Key, Object, Pages, Txid, WriterId};

/// An object in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stored {
    /// Its name.
    pub key: Key,
    /// What it is.
    pub object: Object,
    /// `LastModified`, in ticks of the store's clock.
    pub arrived: u8,
}

/// A multipart upload that is neither completed nor given up; each of its two parts is one page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MultipartUpload {
    /// The store's name for it.
    pub id: u8,
    /// Where it will go.
    pub key: Key,
    /// What it is meant to become.
    pub object: Object,
    /// Which parts have arrived.
    pub parts: [bool; 2],
}

/// Everything in one place of the store.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Store {
    objects: Vec<Stored>,
    /// Whom `manifest.json` names.
    pub manifest: Option<WriterId>,
    uploads: Vec<MultipartUpload>,
    /// Slots and the compacted objects or snapshots that contain them and were there before them, as the
    /// dates of the two tell: each pair convicts a late arrival.
    convictions: Vec<(Txid, Key)>,
    /// Whether two arrivals within one tick have the same date.
    coarse_dates: bool,
}

impl Store {
    /// An empty place. `coarse_dates`: two arrivals within one tick have the same date.
    pub fn new(coarse_dates: bool) -> Store {
        Store { coarse_dates, ..Store::default() }
    }

    /// Every object, by key.
    pub fn objects(&self) -> &[Stored] {
        &self.objects
    }

    /// The object under a key.
    pub fn get(&self, key: Key) -> Option<&Object> {
        self.objects.iter().find(|stored| stored.key == key).map(|stored| &stored.object)
    }

    /// Writes an object; `false`: it was to be absent and is not.
    pub fn put(&mut self, key: Key, object: Object, if_absent: bool, now: u8) -> bool {
        let stored = Stored { key, object, arrived: now };
        match self.objects.binary_search_by_key(&key, |there| there.key) {
            Ok(_) if if_absent => return false,
            Ok(at) => self.objects[at] = stored,
            Err(at) => self.objects.insert(at, stored),
        }
        if let Key::Slot(txid) = key {
            let older = self.objects.iter().filter(|o| !o.key.is_slot() && o.key.contains(txid));
            // Within one tick of coarse dates nothing is younger than anything.
            let older = older.filter(|o| o.arrived < now || !self.coarse_dates);
            let convictions: Vec<(Txid, Key)> = older.map(|o| (txid, o.key)).collect();
            self.convictions.retain(|(slot, _)| *slot != txid);
            self.convictions.extend(convictions);
            self.convictions.sort_unstable();
        }
        true
    }

    /// Removes an object, if it is there.
    pub fn delete(&mut self, key: Key) {
        self.objects.retain(|stored| stored.key != key);
        self.convictions.retain(|(slot, by)| Key::Slot(*slot) != key && *by != key);
    }

    /// Whether the dates tell that a slot's object came after a level above 0 had it.
    pub fn is_late(&self, key: Key) -> bool {
        matches!(key, Key::Slot(txid) if self.convictions.iter().any(|(slot, _)| *slot == txid))
    }

    /// Whether a late arrival would no longer be known as one without this object.
    pub fn alone_convicts(&self, key: Key) -> bool {
        let others = |txid| self.convictions.iter().any(|(slot, by)| *slot == txid && *by != key);
        self.convictions.iter().any(|(txid, by)| *by == key && !others(*txid))
    }

    /// Begins a multipart upload.
    pub fn begin_upload(&mut self, id: u8, key: Key, object: Object) {
        self.uploads.push(MultipartUpload { id, key, object, parts: [false; 2] });
    }

    /// A part has arrived; nothing happens if the upload is over.
    pub fn put_part(&mut self, id: u8, part: usize) {
        if let Some(upload) = self.uploads.iter_mut().find(|upload| upload.id == id) {
            upload.parts[part] = true;
        }
    }

    /// The upload, unless it is over.
    pub fn upload(&self, id: u8) -> Option<&MultipartUpload> {
        self.uploads.iter().find(|upload| upload.id == id)
    }

    /// Ends an upload: it was completed, given up, or a 409 made it useless.
    pub fn end_upload(&mut self, id: u8) {
        self.uploads.retain(|upload| upload.id != id);
    }
}

impl MultipartUpload {
    /// What the parts that have arrived make.
    pub fn assembled(&self) -> Object {
        let part = |i: usize| if self.parts[i] { self.object.pages.only(i) } else { Pages::NONE };
        Object { pages: part(0).over(part(1)), ..self.object }
    }
}
