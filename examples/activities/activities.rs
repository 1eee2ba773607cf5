//! Keeps the microblog's feed in memory. Only [`Activity::own`] uses claims.

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use axum_cognito::{
    CognitoClaims,
    clock::{Clock, SystemClock},
};
use serde::Serialize;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns the current time in Unix seconds.
pub(crate) fn now() -> u64 {
    unix_seconds(SystemClock.now())
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// One post and the replies to it.
#[derive(Clone, Serialize)]
pub(crate) struct Activity {
    uuid: Cow<'static, str>,
    handle: Cow<'static, str>,
    display_name: Cow<'static, str>,
    message: Cow<'static, str>,
    audience: Audience,
    created_at: u64,
    expires_at: u64,
    likes: u32,
    replies: Vec<Reply>,
}

/// The users who can see an activity.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Audience {
    Everyone,
    You,
}

#[derive(Clone, Serialize)]
struct Reply {
    uuid: Cow<'static, str>,
    handle: Cow<'static, str>,
    display_name: Cow<'static, str>,
    message: Cow<'static, str>,
    created_at: u64,
    likes: u32,
}

impl Activity {
    /// Creates an activity from the verified claims. Only the signed-in user sees the activity.
    pub(crate) fn own(claims: &CognitoClaims) -> Self {
        let client = claims.client_id();
        let name = claims.username().unwrap_or(client).to_owned();
        let message = if claims.username().is_some() {
            format!(
                "You are signed in with the app client {client}. This activity comes from your token and disappears when it expires."
            )
        } else {
            format!("The machine {client} reads this feed with its own token. No user is signed in.")
        };
        Self {
            // Cognito's `jti` is a UUID. Tokens of an app client without token revocation have no `jti`.
            uuid: claims.jti().unwrap_or(claims.sub()).to_owned().into(),
            handle: name.clone().into(),
            display_name: name.into(),
            message: message.into(),
            audience: Audience::You,
            created_at: claims.auth_time().or(claims.issued_at()).map_or_else(now, unix_seconds),
            expires_at: claims.exp(),
            likes: 0,
            replies: Vec::new(),
        }
    }
}

pub(crate) struct Feed {
    activities: Vec<Activity>,
}

#[derive(Serialize)]
pub(crate) struct Totals {
    activities: usize,
    replies: usize,
    likes: u32,
}

impl Feed {
    /// Returns the feed at `now`: the user's own activity, if there is one, and the public activities.
    pub(crate) fn home(&self, own: Option<Activity>, now: u64) -> Vec<Activity> {
        own.into_iter().chain(self.current(now).cloned()).collect()
    }

    /// Counts the public activities at `now`, with their replies and likes.
    pub(crate) fn totals(&self, now: u64) -> Totals {
        Totals {
            activities: self.current(now).count(),
            replies: self.current(now).map(|activity| activity.replies.len()).sum(),
            likes: self.current(now).map(Activity::all_likes).sum(),
        }
    }

    /// Returns the activities that have not expired. Like a token, an activity expires at `expires_at`.
    fn current(&self, now: u64) -> impl Iterator<Item = &Activity> {
        self.activities.iter().filter(move |activity| now < activity.expires_at)
    }

    /// Creates a demo feed with times shortly before `now`, newest first.
    pub(crate) fn seeded(now: u64) -> Self {
        Self {
            activities: vec![
                Activity::post("5a0c1c5e-6d0b-4f6a-9a53-0f3d1f6f2b11", MIRA, now - 11 * MINUTE, 12)
                    .says("The ferry is late again, and the gulls have formed a queue. They are better at it than we are.")
                    .with_reply(Reply::by("a3f9f0be-52a8-4c0c-8f0e-6a2f8d0f7a01", TOBIAS, now - 8 * MINUTE, 5)
                        .says("Mine cut in line yesterday. It had a sandwich and no remorse."))
                    .with_reply(Reply::by("c1b7d2aa-9a4e-4a0b-b4d5-7e8d5f9c3302", MIRA, now - 6 * MINUTE, 2)
                        .says("Whose sandwich?")),
                Activity::post("0d2f9b7c-3c58-4e34-8d0a-5b1e7a9c6d22", YUKI, now - 3 * HOUR, 31)
                    .says("Moved the deploy from Friday afternoon to Tuesday morning. Slept like a rock. Recommended."),
                Activity::post("7be1a9d4-11f2-4b6d-a7c8-2f4e6d8b0c33", TOBIAS, now - 9 * HOUR, 18)
                    .says("Day 40 of the sourdough: it has a name now, and opinions about the kitchen window.")
                    .with_reply(Reply::by("e5d3b1f7-0a9c-4d8e-9b7a-6c5d4e3f2a04", ESTHER, now - 7 * HOUR, 4)
                        .says("Let it meet mine. They can sulk together.")),
                Activity::post("f4c8e2b6-9d7a-4c5b-8e3f-1a2b3c4d5e44", ESTHER, now - 26 * HOUR, 44)
                    .says("Found my grandmother’s recipe book. Half of it is in pencil, and a third of that is complaints about the oven."),
                Activity::post("2c6a8e04-5b7d-4f91-a3c5-8d9e0f1a2b55", MIRA, now - 3 * DAY, 9)
                    .says("Low tide at half past six. Bring boots, leave the phone."),
            ],
        }
    }
}

/// The handle and display name of an author.
type Author = (&'static str, &'static str);

const MIRA: Author = ("mira", "Mira Okafor");
const TOBIAS: Author = ("tobias", "Tobias Lindqvist");
const YUKI: Author = ("yuki", "Yuki Arakawa");
const ESTHER: Author = ("esther", "Esther Calloway");

impl Activity {
    fn post(uuid: &'static str, (handle, name): Author, created_at: u64, likes: u32) -> Self {
        Self {
            uuid: uuid.into(),
            handle: handle.into(),
            display_name: name.into(),
            message: "".into(),
            audience: Audience::Everyone,
            created_at,
            expires_at: created_at + 365 * DAY,
            likes,
            replies: Vec::new(),
        }
    }

    fn says(self, message: &'static str) -> Self {
        Self { message: message.into(), ..self }
    }

    fn with_reply(mut self, reply: Reply) -> Self {
        self.replies.push(reply);
        self
    }

    fn all_likes(&self) -> u32 {
        self.likes + self.replies.iter().map(|reply| reply.likes).sum::<u32>()
    }
}

impl Reply {
    fn by(uuid: &'static str, (handle, name): Author, created_at: u64, likes: u32) -> Self {
        Self {
            uuid: uuid.into(),
            handle: handle.into(),
            display_name: name.into(),
            message: "".into(),
            created_at,
            likes,
        }
    }

    fn says(self, message: &'static str) -> Self {
        Self { message: message.into(), ..self }
    }
}
