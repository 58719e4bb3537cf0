//! JSON as strangers send it: no member twice, and no nesting without end.
//!
//! RFC 8259 (section 4) leaves open what two members of one name mean, so two readers of a signed text may take two
//! claims out of it. RFC 7515 (section 4) and RFC 7519 (section 4) let a reader refuse that; this one does.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep objects and arrays may lie in each other. What a provider means lies four deep at most.
const DEEPEST: u8 = 16;

/// A text that is not one JSON object, each of whose members stands there once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is not a JSON object whose members each stand there once, nested at most {DEEPEST} deep"
)]
pub struct NotAnObject;

/// The object that `bytes` are, and nothing after it.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, NotAnObject> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { left: DEEPEST }.deserialize(&mut deserializer).map_err(|_| NotAnObject)?;
    deserializer.end().map_err(|_| NotAnObject)?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(NotAnObject),
    }
}

/// Reads one value that may be this deep.
#[derive(Clone, Copy)]
struct Strict {
    left: u8,
}

impl Strict {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom("too deep"))?;
        Ok(Self { left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut map = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if map.insert(name, access.next_value_seed(inside)?).is_some() {
                return Err(A::Error::custom("a member stands there twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_others_read_it() {
        let text = r#" {"a":[1,-2,1.5,"\u00fc",null,true,{"b":{}}],"c":"d"} "#;
        let map: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(object(text.as_bytes()), Ok(map));
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        let twice = [
            r#"{"sub":"alice","sub":"bob"}"#,
            r#"{"sub":"alice","s\u0075b":"bob"}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
        ];
        let others =
            ["", "[]", "null", "\"a\"", "{} {}", "{\"a\":1}x", "{\"a\":NaN}", "{\"a\":1e999}"];
        for text in twice.into_iter().chain(others) {
            assert_eq!(object(text.as_bytes()), Err(NotAnObject), "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(NotAnObject));
    }

    #[test]
    fn nesting_ends() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(15).as_bytes()).is_ok());
        assert_eq!(object(nested(16).as_bytes()), Err(NotAnObject));
        assert_eq!(object(nested(200_000).as_bytes()), Err(NotAnObject));
    }
}
