//! Keys whose value is one of a few words, each as an enum with its words.

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The words of the configuration, in the order of the documentation.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The value for a word, `None` if there is none.
            pub fn from_word(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

choice!(
    /// `store.fencing`: whether conditional writes keep a second writer out.
    Fencing {
        /// Probe the store; warn and look before and after each write where it cannot.
        Auto = "auto",
        /// Refuse a store without conditional writes.
        Require = "require",
        /// Do not look.
        Off = "off",
    }
);

choice!(
    /// `store.take_over`: what to do when the newest object is another writer's.
    TakeOver {
        /// Refuse.
        Never = "never",
        /// Continue if this database equals what that writer left.
        IfIdentical = "if-identical",
        /// Continue with a full image.
        Always = "always",
    }
);

choice!(
    /// `store.path_style`: bucket in the path instead of the host name.
    PathStyle {
        /// For custom endpoints only.
        Auto = "auto",
        /// Always.
        Always = "true",
        /// Never.
        Never = "false",
    }
);

choice!(
    /// `store.sse`: encryption by the store.
    Sse {
        /// What the bucket does by itself.
        None = "none",
        /// With keys of the store.
        Aes256 = "aes256",
        /// With a key of the key service, `store.kms_key_id`.
        Kms = "kms",
        /// With a key of ours, `store.sse_key_file`.
        Customer = "customer",
    }
);

choice!(
    /// `sync.wal_mode`: what to do with a database that is not in WAL mode.
    WalMode {
        /// Enter it, and say so.
        Enter = "enter",
        /// Refuse the database.
        Require = "require",
    }
);

choice!(
    /// `snapshots.on_startup`: whether a start takes a snapshot.
    OnStartup {
        /// Only when continuity with the store cannot be proven.
        Auto = "auto",
        /// Always.
        Always = "true",
        /// Never.
        Never = "false",
    }
);
