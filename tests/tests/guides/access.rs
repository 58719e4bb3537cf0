//! `docs/guides/access.md`, by three people at one CA.

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use jit_ca_tests::{Block, Ca, Lab, Output, Person, blocks, program, run, wait_for};
use serde_json::Value;

const GUIDE: &str = "docs/guides/access.md";

/// Where the guide has the daemon's configuration.
const CONFIG: &str = "/var/lib/jit-cad/config/jit-cad.toml";

struct Scene {
    ca: Ca,
    alice: Person,
    bob: Person,
    carol: Person,
}

impl Scene {
    fn person(&self, block: &Block) -> &Person {
        let people = [("alice", &self.alice), ("bob", &self.bob), ("carol", &self.carol)];
        let who = |(name, _): &(&str, &Person)| block.who.split(' ').next() == Some(name);
        people.into_iter().find(who).map(|(_, person)| person).expect("somebody of the guide's")
    }

    /// The text of a block with the ids that it leaves to its reader.
    fn text(&self, block: &Block) -> String {
        let mut text = block.text.replace("jit-ca approve", "jit-ca approve --yes");
        let requests = || self.carol.jit_ca(&["requests", "--json"]).ok().json();
        let about = |reason: &str| -> Vec<Value> {
            let requests = requests();
            let all = requests.as_array().unwrap().iter();
            all.filter(|it| it["reason"].as_str().unwrap().contains(reason)).cloned().collect()
        };
        // The one that goes on, before one that is to begin, before one that is over.
        let grant = || {
            let found = about("INC-42");
            let mut grants: Vec<&Value> =
                found.iter().map(|it| &it["grant"]).filter(|grant| !grant.is_null()).collect();
            grants.sort_by_key(|grant| grant["state"] != "active");
            grants[0]["id"].clone()
        };
        for (name, found) in [
            ("REQUEST", &(|| about("INC-42")[0]["id"].clone()) as &dyn Fn() -> Value),
            ("CHANGE", &|| about("CHG-7")[0]["id"].clone()),
            ("EMERGENCY", &|| about("INC-43")[0]["id"].clone()),
            ("GRANT", &grant),
        ] {
            if text.contains(name) {
                text = text.replace(name, found().as_str().unwrap());
            }
        }
        text
    }

    fn run(&self, block: &Block) -> Output {
        let program = program("jit-ca");
        let folder = program.parent().unwrap().display();
        let text = format!("PATH={folder}:$PATH\n{}", self.text(block));
        let mut shell = match block.who.as_str() {
            "root" => Command::new("bash"),
            _ => self.person(block).command("bash"),
        };
        run(shell.args(["-euc", &text.replace(CONFIG, self.ca.config().to_str().unwrap())]))
    }
}

#[test]
fn the_guide_to_access_works_as_it_stands() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| ca.person(name));
    let scene = Scene { ca, alice, bob, carol };
    for block in blocks(GUIDE) {
        if block.who == "bob watch" {
            watches(&scene, &block);
            continue;
        }
        // Without --no-wait each exits as it says in its help; the guide's all come to their end.
        let output = scene.run(&block);
        let asks = block.text.contains("--no-wait");
        assert!(output.code == 0 || asks && output.code == 75, "{}\n{output}", block.text);
        if block.text.contains("jit-ca extend") {
            // What follows in the guide is about the first grant; more time needs another yes, which comes here.
            let more = scene.bob.jit_ca(&["requests", "--status", "pending", "--json"]).ok().json();
            let more = more[0]["id"].as_str().unwrap();
            scene.bob.jit_ca(&["approve", more, "--yes"]).ok();
        }
    }
}

/// What is pending is shown at once; then somebody presses Ctrl-C.
fn watches(scene: &Scene, block: &Block) {
    let words: Vec<&str> = block.text.split_whitespace().skip(1).collect();
    let mut watcher = scene.bob.start_jit_ca(&words);
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let seen = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("alice asks for")));
    assert!(seen.is_some());
    run(Command::new("kill").args(["-INT", &watcher.id().to_string()])).ok();
    wait_for("its end", || watcher.try_wait().unwrap()).success().then_some(()).unwrap();
}
