//! A shell at a terminal, typed into as a person does.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::{Output, as_root, run};

/// How long the shell may be silent.
const SOON: Duration = Duration::from_secs(60);

/// What the shell says, with a number after it, when a command has ended.
const ENDED: &str = "[ended with ";
/// What the shell says when it wants another line of a command.
const MORE: &str = "[more] ";
/// What our programs ask at the terminal, and the prompt of a shell on another host.
const QUESTIONS: [&str; 5] = [
    "reason for web-shell: ",
    "code that your authenticator shows now: ",
    "code of your authenticator: ",
    "[y/N] ",
    "~$ ",
];

/// An interactive bash at a terminal of its own, which is script(1)'s.
#[derive(Debug)]
pub struct Terminal {
    script: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    /// What has been shown since the last line was typed.
    shown: Vec<u8>,
}

impl Terminal {
    /// Opens one by a command that runs the words after it, such as `env`.
    pub fn open(mut command: Command) -> Self {
        command.args(["script", "--quiet", "--return", "--flush", "--command"]);
        command.args(["exec bash --norc --noprofile --noediting -i", "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut script = command.spawn().expect("a terminal");
        let keyboard = script.stdin.take().expect("a pipe");
        let mut stdout = script.stdout.take().expect("a pipe");
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut bytes) {
                // Nobody looks any more once the terminal is dropped.
                let _ = sender.send(bytes.get(..length).unwrap_or_default().to_vec());
            }
        });
        let mut terminal = Self { script, keyboard, screen, shown: Vec::new() };
        // In two pieces each: the terminal shows what is typed, too, and that is no prompt.
        terminal.type_line("set -o pipefail; PS1='[ended'' with $?] ' PS2='[mo''re] '");
        terminal.wait_until(|shown| ended(shown).is_some());
        terminal
    }

    /// Types a command and waits for its end. Whenever it asks something, `answer` is given what the
    /// command has shown up to there.
    #[track_caller]
    pub fn run(&mut self, command: &str, mut answer: impl FnMut(&str) -> String) -> Output {
        let mut said = String::new();
        for line in command.lines() {
            self.type_line(line);
            said.clear();
            loop {
                let shown = self.wait_until(|shown| {
                    let is_asked = QUESTIONS.iter().any(|question| shown.ends_with(question));
                    is_asked || shown.contains(MORE) || ended(shown).is_some()
                });
                said.push_str(&shown);
                if ended(&shown).is_some() || shown.contains(MORE) {
                    break;
                }
                let line = answer(&said);
                self.type_line(&line);
            }
        }
        let (said, code) = ended(&said).unwrap_or_else(|| panic!("no end of {command}:\n{said}"));
        // The first line is what was typed.
        let (_, stdout) = said.split_once('\n').unwrap_or_default();
        let (command, stdout) = (command.to_owned(), stdout.to_owned());
        Output { command, code, stdout, stderr: String::new() }
    }

    /// Waits until this has been shown since the last command was typed.
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        self.wait_until(|shown| shown.contains(text));
    }

    fn type_line(&mut self, line: &str) {
        self.shown.clear();
        writeln!(self.keyboard, "{line}").expect("a terminal");
    }

    #[track_caller]
    fn wait_until(&mut self, condition: impl Fn(&str) -> bool) -> String {
        loop {
            let shown = String::from_utf8_lossy(&self.shown).replace('\r', "");
            if condition(&shown) {
                return shown;
            }
            match self.screen.recv_timeout(SOON) {
                Ok(bytes) => self.shown.extend(bytes),
                Err(error) => panic!("{error}; the terminal shows:\n{shown}"),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The shell is told that its terminal is gone, and tells what it still runs (SIGHUP). Where
        // sudo stands between us and script, sudo has to be asked.
        let _ = self.script.kill();
        run(as_root("kill").arg(self.script.id().to_string()));
        let _ = self.script.wait();
    }
}

/// What was shown before the shell's prompt, and the exit code in that.
fn ended(shown: &str) -> Option<(&str, i32)> {
    let (said, rest) = shown.split_once(ENDED)?;
    let (code, _) = rest.split_once("] ")?;
    Some((said, code.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_runs_and_is_answered() {
        let mut terminal = Terminal::open(Command::new("env"));
        let nothing = |_: &str| panic!("nothing is asked");
        assert_eq!(terminal.run("echo one; false", nothing).exits(1).line(), "one");
        let lines =
            "for name in a b; do\n  read -p 'sure? [y/N] ' -r said\n  echo \"$name $said\"\ndone";
        let mut said = ["n", "y"].into_iter().map(str::to_owned);
        let output = terminal.run(lines, |_| said.next().unwrap()).ok();
        assert!(output.stdout.contains("b y"), "{output}");
        terminal.run("sleep 100 &", nothing).ok();
        assert!(terminal.run("jobs", nothing).ok().stdout.contains("Running"));
    }
}
