//! Hosts as JSON has them: always a list, in which `*` alone stands for all that the rows give.

use jit_ca_core::{HostName, Hosts};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// What stands for all of them; no host can be called so.
const ALL: &str = "*";

/// For `#[serde(with = …)]`.
///
/// # Errors
/// If the serializer fails.
pub fn serialize<S: Serializer>(hosts: &Hosts, serializer: S) -> Result<S::Ok, S::Error> {
    match hosts {
        Hosts::All => serializer.collect_seq([ALL]),
        Hosts::Named(hosts) => serializer.collect_seq(hosts),
    }
}

/// For `#[serde(with = …)]`.
///
/// # Errors
/// If it is no such list.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hosts, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    match names.as_slice() {
        [] => Err(D::Error::custom("no host is named; [\"*\"] stands for all")),
        [all] if all == ALL => Ok(Hosts::All),
        names => {
            let hosts: Result<_, _> = names.iter().map(|name| name.parse::<HostName>()).collect();
            hosts.map(Hosts::Named).map_err(D::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use jit_ca_core::Hosts;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct On(#[serde(with = "super")] Hosts);

    #[test]
    fn hosts_are_a_list_of_hosts() {
        for (text, json) in
            [("*", r#"["*"]"#), ("web1", r#"["web1"]"#), ("web1,web2", r#"["web1","web2"]"#)]
        {
            let on = On(text.parse().unwrap());
            assert_eq!(serde_json::to_string(&on).unwrap(), json);
            assert_eq!(serde_json::from_str::<On>(json).unwrap(), on);
        }
        for wrong in [r#""web1""#, r#""*""#, "[]", r#"["web1,web2"]"#, r#"["*","web1"]"#, r#"[""]"#]
        {
            assert!(serde_json::from_str::<On>(wrong).is_err(), "{wrong}");
        }
    }
}
