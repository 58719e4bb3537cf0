//! What all values share: one error, and serialisation through the string form.

/// A text that is not a value of the type asked for.
///
/// The message names the kind of value, what was given and what would be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a {kind}: {expected}")]
pub struct ValueError {
    /// The word of the field, such as `principal`.
    pub kind: &'static str,
    /// What was given, shortened to 80 characters.
    pub given: String,
    /// What would be accepted.
    pub expected: &'static str,
}

impl ValueError {
    pub(crate) fn new(kind: &'static str, given: &str, expected: &'static str) -> Self {
        Self { kind, given: given.chars().take(80).collect(), expected }
    }
}

/// Serialises a value through `Display` and `FromStr`, so that reading one checks it again.
macro_rules! serde_by_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text =
                    <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(<D::Error as serde::de::Error>::custom)
            }
        }
    };
}

/// A value whose text is kept as it was given, once `$check` has accepted it.
macro_rules! text_value {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($crate::ValueError::new($kind, text, $expected))
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        $crate::value::serde_by_text!($type);
    };
}

pub(crate) use {serde_by_text, text_value};
