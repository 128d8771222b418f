//! What a socket of a peer has been told to do.

#[derive(Default, PartialEq, Eq, Clone, Copy)]
pub enum Role {
    #[default]
    Echo,
    EchoAll,
    Receive,
    Send {
        size: usize,
        burst: u64,
    },
}

#[derive(Default)]
pub struct Duty {
    pub role: Role,
    /// Messages received or sent.
    pub count: u64,
}

impl Duty {
    /// Does what a command says, and returns the answer.
    pub fn command(&mut self, text: &str) -> String {
        let mut words = text.split(' ');
        let name = words.next();
        let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        match name {
            Some("echo-all") => self.role = Role::EchoAll,
            Some("receive") => self.role = Role::Receive,
            Some("send") => self.role = Role::Send { size: number() as usize, burst: number() },
            Some("end") => return std::mem::take(&mut self.count).to_string(),
            Some("stop") => {
                self.role = Role::Echo;
                return format!("sent {}", self.count);
            }
            _ => return format!("unknown command {text}"),
        }
        "ok".to_string()
    }
}
