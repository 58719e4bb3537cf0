//! What somebody may be told of.

use std::fmt;
use std::str::FromStr;

use jit_ca_core::Window;
use jit_ca_core::event::Event;
use jit_ca_core::workflow::Term;
use serde::Serialize;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $name:literal)*) => {
        /// What somebody may be told of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// Its name, in the configuration and in messages.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// Somebody asks for access, and people have to decide.
    Asked "asked"
    /// A request became a grant.
    Approved "approved"
    /// Somebody said no.
    Denied "denied"
    /// The requester took it back.
    Cancelled "cancelled"
    /// Nobody decided in time.
    Lapsed "lapsed"
    /// A grant ends in a little while.
    EndingSoon "ending_soon"
    /// A grant ended.
    Ended "ended"
    /// Somebody took a grant away.
    Revoked "revoked"
    /// A glass was broken.
    BreakGlass "break_glass"
    /// Somebody looked at an emergency.
    Reviewed "reviewed"
    /// Something was locked.
    Lock "lock"
    /// Something was unlocked.
    Unlock "unlock"
    /// An administrator asks that second factors are reset, and another has to confirm it.
    ResetAsked "reset_asked"
    /// Somebody's second factors were reset.
    Reset "reset"
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// What is to be told of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which of the entries that are written together.
    pub nth: usize,
    /// What of it.
    pub kind: Kind,
    /// The window that ends soon, where that is it.
    pub window: Option<Window>,
}

/// What is to be told of entries that are written together: of certificates and logins nothing. Where they say that a
/// request is granted as it is made, nobody has to be asked; and an emergency is told as such, and not as approved.
pub fn told_of<'e>(events: impl Iterator<Item = &'e Event> + Clone) -> Vec<Told> {
    let mut told = Vec::new();
    let (mut is_granted, mut is_emergency) = (false, false);
    for event in events.clone() {
        is_granted |= matches!(event, Event::GrantMade(_));
        is_emergency |= matches!(event, Event::GlassBroken(_));
    }
    for (nth, event) in events.enumerate() {
        let kind = match event {
            Event::RequestMade(_) if !is_granted => Kind::Asked,
            Event::GlassBroken(_) => Kind::BreakGlass,
            Event::GrantMade(made) => {
                if let Term::Open(window) = made.term {
                    told.push(Told { nth, kind: Kind::EndingSoon, window: Some(window) });
                }
                if is_emergency {
                    continue;
                }
                Kind::Approved
            }
            Event::GrantStarted(started) => {
                told.push(Told { nth, kind: Kind::EndingSoon, window: Some(started.window) });
                continue;
            }
            Event::RequestDenied(_) => Kind::Denied,
            Event::RequestCancelled(_) => Kind::Cancelled,
            Event::RequestLapsed(_) => Kind::Lapsed,
            Event::GrantEnded(_) => Kind::Ended,
            Event::GrantRevoked(_) => Kind::Revoked,
            Event::Reviewed(_) => Kind::Reviewed,
            Event::LockSet(_) => Kind::Lock,
            Event::LockLifted(_) => Kind::Unlock,
            Event::MfaResetAsked(_) => Kind::ResetAsked,
            Event::MfaReset(_) => Kind::Reset,
            _ => continue,
        };
        told.push(Told { nth, kind, window: None });
    }
    told
}
