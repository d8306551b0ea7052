//! One vector as it stands in a file, and as it is made from a value.

use salus_primitives::codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::{Debug, Display, Write as _};

/// A file of vectors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) vector: Vec<Vector>,
}

/// What a value encodes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    /// The type, and after a slash which of its values.
    pub(crate) name: String,
    /// The canonical encoding.
    pub(crate) encoding: String,
    /// The digest, id or root, if the type has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

impl File {
    /// The file's text: one table a vector.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::from("# Golden vectors, see tests/tests/golden.\n");
        for vector in &self.vector {
            let _ = write!(
                text,
                "\n[[vector]]\nname = \"{}\"\nencoding = \"{}\"\n",
                vector.name, vector.encoding
            );
            if let Some(digest) = &vector.digest {
                let _ = writeln!(text, "digest = \"{digest}\"");
            }
        }
        text
    }
}

/// Says why bytes are not the encoding of the one value.
type Decode = Box<dyn Fn(&[u8]) -> Result<(), String>>;

/// A vector made from a value, with the way back.
pub(crate) struct Built {
    pub(crate) vector: Vector,
    decode: Decode,
}

impl Built {
    /// The type this is a vector of.
    pub(crate) fn kind(&self) -> &str {
        let name = &self.vector.name;
        name.split_once('/').map_or(name, |(kind, _)| kind)
    }

    /// Whether hexadecimal bytes decode to exactly the value this was made from.
    pub(crate) fn decodes(&self, encoding: &str) -> Result<(), String> {
        let bytes = hex::decode(encoding).map_err(|error| error.to_string())?;
        (self.decode)(&bytes)
    }

    /// Adds the digest, id or root.
    pub(crate) fn digest(mut self, digest: impl Display) -> Self {
        self.vector.digest = Some(digest.to_string());
        self
    }
}

/// The only vector of a type.
pub(crate) fn only<T>(value: T) -> Built
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    build(kind::<T>(), value)
}

/// The vector of one of several values of a type.
pub(crate) fn one<T>(which: impl Display, value: T) -> Built
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    build(format!("{}/{which}", kind::<T>()), value)
}

fn build<T>(name: String, value: T) -> Built
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + 'static,
{
    Built {
        vector: Vector {
            name,
            encoding: hex::encode(codec::encode(&value)),
            digest: None,
        },
        decode: Box::new(move |bytes| match codec::decode::<T>(bytes, bytes.len()) {
            Ok(decoded) if decoded == value => Ok(()),
            Ok(decoded) => Err(format!("decodes to {decoded:?}")),
            Err(error) => Err(error.to_string()),
        }),
    }
}

/// The type's own name, without its path and parameters.
fn kind<T>() -> String {
    let full = std::any::type_name::<T>();
    let plain = full.split('<').next().unwrap_or(full);
    plain.rsplit("::").next().unwrap_or(plain).to_owned()
}
