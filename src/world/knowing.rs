//! The places of the wall where secrets take the place of their names, and names that of secrets.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::world::{
    dial::{
        Datagram, Dial, DialError, Handshake, Query, Rows, Server, Session, Sheet, Shown, Talk,
        Talked,
    },
    secrets::{Secrets, assignment},
    web::{Answer, Ask, Web, WebError},
    wire::{Program, Standing, Table, Unsaid, Wire},
};

/// Requests and conversations in which secrets take their places.
pub(super) struct Knowing<T: ?Sized> {
    pub(super) inner: Arc<T>,
    pub(super) secrets: Arc<Secrets>,
}

impl<T: ?Sized> Knowing<T> {
    fn web(&self, why: WebError) -> WebError {
        let out = |it: String| self.secrets.take_out(&it);
        match why {
            WebError::NotConnected(it) => WebError::NotConnected(out(it)),
            WebError::NoAnswer(it) => WebError::NoAnswer(out(it)),
            WebError::NotARequest(it) => WebError::NotARequest(out(it)),
        }
    }

    fn dial(&self, why: DialError) -> DialError {
        let out = |it: String| self.secrets.take_out(&it);
        match why {
            DialError::NotConnected(it) => DialError::NotConnected(out(it)),
            DialError::NoAnswer(it) => DialError::NoAnswer(out(it)),
            DialError::NotACall(it) => DialError::NotACall(out(it)),
        }
    }

    fn filled(&self, mut ask: Ask) -> Result<Ask, String> {
        ask.url = self.secrets.put_in(&ask.url)?;
        for value in ask.headers.values_mut() {
            *value = self.secrets.put_in(value)?;
        }
        ask.body = ask.body.map(|it| self.secrets.put_in(&it)).transpose()?;
        Ok(ask)
    }

    fn question(&self, mut it: Query) -> Result<Query, String> {
        it.user = self.secrets.put_in(&it.user)?;
        it.password = it.password.map(|it| self.secrets.put_in(&it)).transpose()?;
        it.statement = self.secrets.put_in(&it.statement)?;
        Ok(it)
    }
}

impl Web for Knowing<dyn Web> {
    fn ask(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, WebError>> {
        async move {
            let ask = self.filled(ask).map_err(WebError::NotARequest)?;
            let answer = self.inner.ask(ask).await.map_err(|why| self.web(why))?;
            Ok(Answer { body: self.secrets.take_out_bytes(answer.body), ..answer })
        }
        .boxed()
    }
}

impl Dial for Knowing<dyn Dial> {
    fn talk(&self, mut talk: Talk) -> BoxFuture<'_, Result<Talked, DialError>> {
        async move {
            if let Ok(say) = str::from_utf8(&talk.say) {
                talk.say = self.secrets.put_in(say).map_err(DialError::NotACall)?.into_bytes();
            }
            let mut talked = self.inner.talk(talk).await.map_err(|why| self.dial(why))?;
            talked.heard = self.secrets.take_out_bytes(talked.heard);
            talked.short = talked.short.map(|it| self.secrets.take_out(&it));
            Ok(talked)
        }
        .boxed()
    }

    fn datagram(&self, it: Datagram) -> BoxFuture<'_, Result<Vec<u8>, DialError>> {
        self.inner.datagram(it)
    }

    fn handshake(&self, it: Handshake) -> BoxFuture<'_, Result<Shown, DialError>> {
        self.inner.handshake(it)
    }

    fn query(&self, it: Query) -> BoxFuture<'_, Result<Rows, DialError>> {
        async move {
            let it = self.question(it).map_err(DialError::NotACall)?;
            let rows = self.inner.query(it).await.map_err(|why| self.dial(why))?;
            Ok(Rows { value: rows.value.map(|it| self.secrets.take_out(&it)), ..rows })
        }
        .boxed()
    }

    fn session(&self, mut it: Session) -> BoxFuture<'_, Result<Vec<Sheet>, DialError>> {
        async move {
            let texts = it.statements.iter_mut().chain([&mut it.server.user]);
            for text in texts.chain(it.server.password.as_mut()) {
                *text = self.secrets.put_in(text).map_err(DialError::NotACall)?;
            }
            let mut sheets = self.inner.session(it).await.map_err(|why| self.dial(why))?;
            let rows = sheets.iter_mut().flat_map(|it| &mut it.rows);
            for value in rows.flatten().flatten() {
                *value = self.secrets.take_out(value);
            }
            Ok(sheets)
        }
        .boxed()
    }
}

impl Wire for Knowing<dyn Wire> {
    fn standing(&self, mut it: Server) -> BoxFuture<'_, Result<Box<dyn Standing>, DialError>> {
        async move {
            for text in [&mut it.user].into_iter().chain(it.password.as_mut()) {
                *text = self.secrets.put_in(text).map_err(DialError::NotACall)?;
            }
            let line = self.inner.standing(it).await.map_err(|why| self.dial(why))?;
            Ok(Box::new(KnowingLine(line, Arc::clone(&self.secrets))) as Box<dyn Standing>)
        }
        .boxed()
    }

    fn program(&self, mut argv: Vec<String>) -> BoxFuture<'_, Result<Box<dyn Program>, DialError>> {
        async move {
            // Only those words that others do not see.
            for word in argv.iter_mut().take_while(|it| assignment(it).is_some()) {
                *word = self.secrets.put_in(word).map_err(DialError::NotACall)?;
            }
            let line = self.inner.program(argv).await.map_err(|why| self.dial(why))?;
            Ok(Box::new(KnowingLine(line, Arc::clone(&self.secrets))) as Box<dyn Program>)
        }
        .boxed()
    }
}

/// A line that stays open.
struct KnowingLine<T: ?Sized>(Box<T>, Arc<Secrets>);

impl Standing for KnowingLine<dyn Standing> {
    fn stands(&self) -> bool {
        self.0.stands()
    }

    fn say(&mut self, statements: String) -> BoxFuture<'_, Result<Table, Unsaid>> {
        async move {
            let statements = self.1.put_in(&statements).map_err(Unsaid::Refused)?;
            let mut table = self.0.say(statements).await.map_err(|why| match why {
                Unsaid::Refused(it) => Unsaid::Refused(self.1.take_out(&it)),
                Unsaid::Unknown(it) => Unsaid::Unknown(self.1.take_out(&it)),
            })?;
            for value in table.iter_mut().flatten().flatten() {
                *value = self.1.take_out(value);
            }
            Ok(table)
        }
        .boxed()
    }
}

impl Program for KnowingLine<dyn Program> {
    fn stands(&mut self) -> bool {
        self.0.stands()
    }

    fn ask(&mut self, line: String) -> BoxFuture<'_, std::io::Result<String>> {
        async move {
            let line = self.1.put_in(&line).map_err(std::io::Error::other)?;
            Ok(self.1.take_out(&self.0.ask(line).await?))
        }
        .boxed()
    }
}
