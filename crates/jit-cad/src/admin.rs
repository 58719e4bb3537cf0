//! The administrators' socket: one line of JSON in, one out, for the daemon's own account and root alone.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jit_ca_core::{PersonName, UnixTime};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::app::App;
use crate::failure::Failure;
use crate::service::second_factor;

/// The longest line.
const LONGEST_LINE: u64 = 4_096;
/// How long a question and its answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an administrator asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Question {
    /// A one-use code for a person's first second factor.
    EnrolmentCode(PersonName),
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Answer {
    /// The code, and until when it can be used.
    EnrolmentCode {
        /// The code.
        code: String,
        /// Until when.
        expires: UnixTime,
    },
    /// It was not done.
    Refused(String),
}

/// The socket, bound. The file is removed when this is dropped.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: std::path::PathBuf,
}

impl AdminSocket {
    /// Binds it. A socket that a daemon left behind that was killed is replaced.
    ///
    /// # Errors
    /// If it can't be bound.
    pub fn bind(path: &Path) -> Result<Self, Failure> {
        let fault = |error: std::io::Error| {
            Failure::failed(format!("{} can't be bound: {error}", path.display()))
        };
        // The store's lock says that no other daemon runs on this CA.
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(fault)?,
            Ok(_) => {
                return Err(Failure::failed(format!(
                    "{} is there and is no socket",
                    path.display()
                )));
            }
            Err(_) => {}
        }
        crate::keys::make_private_folder(path.parent().unwrap_or(Path::new(".")))?;
        let listener = UnixListener::bind(path).map_err(fault)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(fault)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers until it is dropped.
    pub async fn serve(&self, app: Arc<App>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let app = Arc::clone(&app);
                    tokio::spawn(async move {
                        let answered = tokio::time::timeout(PATIENCE, answer(&app, stream)).await;
                        if let Ok(Err(error)) = answered {
                            tracing::debug!(%error, "an administrator's question was not answered");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the administrators' socket can't accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(app: &App, mut stream: UnixStream) -> std::io::Result<()> {
    let asker = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    let answer = if asker != 0 && asker != own {
        Answer::Refused("only root and the daemon's own account ask here".into())
    } else {
        let mut line = String::new();
        BufReader::new((&mut stream).take(LONGEST_LINE)).read_line(&mut line).await?;
        match serde_json::from_str(&line) {
            Ok(Question::EnrolmentCode(name)) => match second_factor::make_code(app, &name).await {
                Ok((code, expires)) => Answer::EnrolmentCode { code, expires },
                Err(fault) => Answer::Refused(fault.to_string()),
            },
            Err(error) => Answer::Refused(error.to_string()),
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// Asks the running daemon for an enrolment code.
///
/// # Errors
/// If no daemon answers at this socket, or it refuses.
pub async fn ask_for_code(socket: &Path, name: PersonName) -> Result<(String, UnixTime), Failure> {
    let silent = |error: std::io::Error| {
        let message = format!("no daemon answers at {}: {error}", socket.display());
        Failure::failed(message)
            .with_hint("start it with `jit-cad serve`, and run this as its account or as root")
    };
    let mut stream = UnixStream::connect(socket).await.map_err(silent)?;
    let mut line = serde_json::to_vec(&Question::EnrolmentCode(name))
        .map_err(|error| Failure::failed(error.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line).await.map_err(silent)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST_LINE)).read_line(&mut answer).await.map_err(silent)?;
    match serde_json::from_str(&answer) {
        Ok(Answer::EnrolmentCode { code, expires }) => Ok((code, expires)),
        Ok(Answer::Refused(why)) => Err(Failure::failed(why)
            .with_hint("people are named in users.toml; restart the daemon after a change")),
        Err(error) => {
            Err(Failure::failed(format!("the daemon's answer can't be understood: {error}")))
        }
    }
}
