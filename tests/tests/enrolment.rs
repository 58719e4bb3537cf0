//! An authenticator is enrolled at a terminal.

use jit_ca_tests::{Authenticator, Ca, Lab, Terminal, program};

#[test]
fn the_secret_is_a_qr_code_where_the_terminal_has_room() {
    let lab = Lab::new();
    let ca = Ca::start(&lab);
    for (name, columns, is_drawn) in [("dave", 120, true), ("carol", 40, false)] {
        let person = ca.stranger(name);
        let code = ca.jit_cad(&["user", "enroll", name]).ok();
        let mut terminal = Terminal::open(person.command("env"));
        terminal.run(&format!("stty cols {columns}"), |_| String::new()).ok();
        let words =
            person.first_contact_with(&["mfa", "enroll", "--code", code.line()], ".ssh/id_ed25519");
        let command = format!("{} {}", program("jit-ca").display(), words.join(" "));
        let enrol = |said: &str| Authenticator::shown_in(said).expect("a secret").code();
        let said = terminal.run(&command, enrol).ok().says("is enrolled");
        assert!(said.stdout.contains("otpauth://"), "{said}");
        assert_eq!(said.stdout.contains('▀'), is_drawn, "{said}");
    }
}
