//! Small sets of kinds and purposes, as bits: one encoding for a set, and no list to bound.

use super::Purpose;
use crate::reading::Category;
use serde::{Deserialize, Serialize};

macro_rules! bit_set {
    ($(#[$doc:meta])* $name:ident of $element:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(u8);

        impl $name {
            /// Every element there is.
            #[must_use]
            pub fn all() -> Self {
                $element::ALL.into_iter().collect()
            }

            /// Whether an element is in the set.
            #[must_use]
            pub const fn contains(self, element: $element) -> bool {
                self.0 & (1 << element as u8) != 0
            }

            /// Whether every element of `other` is in this set.
            #[must_use]
            pub const fn covers(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether there is no element.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether the set has only elements that there are. One that was decoded may have others, which mean nothing.
            #[must_use]
            pub fn is_known(self) -> bool {
                Self::all().covers(self)
            }

            /// The elements, in their order.
            pub fn iter(self) -> impl Iterator<Item = $element> {
                $element::ALL
                    .into_iter()
                    .filter(move |element| self.contains(*element))
            }
        }

        impl FromIterator<$element> for $name {
            fn from_iter<I: IntoIterator<Item = $element>>(elements: I) -> Self {
                Self(
                    elements
                        .into_iter()
                        .fold(0, |bits, element| bits | 1 << element as u8),
                )
            }
        }
    };
}

bit_set! {
    /// Kinds of data.
    Categories of Category
}
bit_set! {
    /// Purposes of use.
    Purposes of Purpose
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_set_holds_what_was_put_in() {
        for category in Category::ALL {
            let set = Categories::from_iter([category]);

            assert_eq!(set.iter().collect::<Vec<_>>(), [category]);
            assert!(Categories::all().covers(set) && set.is_known());
        }
        assert!(Categories::default().is_empty());
        assert!(Purposes::all().contains(Purpose::BreakGlass));
    }

    /// Elements that a later release may know are seen, not silently ignored.
    #[test]
    fn unknown_elements_are_seen() {
        let set: Purposes = codec::decode(&[0x80], 1).expect("one byte");

        assert!(!set.is_known());
        assert_eq!(set.iter().count(), 0);
    }
}
