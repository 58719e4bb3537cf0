//! `ca-config/`, built into the program: what `jit-cad init` puts there.

macro_rules! embedded {
    ($($path:literal)*) => {
        /// Path below the configuration's folder, and text, of every file.
        pub const EMBEDDED: &[(&str, &str)] = &[
            $(($path, include_str!(concat!("../../../../ca-config/", $path))),)*
        ];
    };
}

embedded! {
    "jit-cad.toml"
    "users.toml"
    "policies/access.cedar"
    "policies/operation.cedar"
    "policy-tests/access.toml"
    "policy-tests/operation.toml"
    "roles/orders-api.toml"
    "roles/web-deploy.toml"
    "roles/web-logs.toml"
    "roles/web-shell.toml"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::EMBEDDED;

    #[test]
    fn every_file_of_ca_config_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ca-config");
        let mut found = BTreeSet::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        found.insert(entry.path().strip_prefix(&root).unwrap().to_owned());
                    }
                }
            }
        }
        let embedded: BTreeSet<PathBuf> =
            EMBEDDED.iter().map(|(path, _)| PathBuf::from(path)).collect();
        assert_eq!(found, embedded);
    }
}
