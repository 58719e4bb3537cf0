//! What this crate makes, judged by other people's code, and what it must refuse.

#[cfg(test)]
mod hosts;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lints_ssh;
#[cfg(test)]
mod lints_x509;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod support;
#[cfg(test)]
mod windows;
#[cfg(test)]
mod x509;
