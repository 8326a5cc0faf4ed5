//! The `StatelessExecutor` service: requests admitted, and executed on threads of their own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tonic::{Extensions, Request, Response, Status, Streaming};

use crate::client::{Client, Question};
use crate::deadline::{self, Arrival, RaisedOnDrop};
use crate::description::MAX_CONCURRENT_REQUESTS;
use crate::request::{self, Source};
use crate::rpc::stateless_executor_server::StatelessExecutor;
use crate::rpc::{
    DescribeRequest, DescribeResponse, ExecuteRequest, ExecuteResponse, TraceRequest, UploadPart, UploadResponse,
};
use crate::trace::{self, Events, Trace, Wanted};
use crate::uploads::Uploads;
use crate::{log, work};

/// Requests that wait while `MAX_CONCURRENT_REQUESTS` are executed; one more is turned away.
const QUEUE_LENGTH: usize = 8;

/// The service. A place is held until the work on a request has ended, also if nobody waits for it any more.
pub struct Executor<C> {
    client: Arc<C>,
    description: DescribeResponse,
    uploads: Uploads,
    admission: Arc<Semaphore>,
    execution: Arc<Semaphore>,
}

impl<C: Client> Executor<C> {
    pub fn new(client: Arc<C>) -> Self {
        Self {
            description: client.describe(),
            client,
            uploads: Uploads::default(),
            admission: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS + QUEUE_LENGTH)),
            execution: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS)),
        }
    }
}

#[tonic::async_trait]
impl<C: Client> StatelessExecutor for Executor<C> {
    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(self.description.clone()))
    }

    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let started = Instant::now();
        let deadline = deadline::of(request.metadata(), arrival(request.extensions(), started));
        let (source, question) = request::read(request.into_inner(), &self.description, &self.uploads)?;
        let answer = self.answer(source, question, started, self.admit()?);
        let answer = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), answer)
                .await
                .map_err(|_| Status::deadline_exceeded("the request's deadline passed"))?,
            None => answer.await,
        };
        answer.map(Response::new)
    }

    type TraceStream = Events;

    async fn trace(&self, request: Request<TraceRequest>) -> Result<Response<Events>, Status> {
        if !self.description.traces {
            return Err(Status::unimplemented("this adapter does not trace"));
        }
        let started = Instant::now();
        let deadline = deadline::of(request.metadata(), arrival(request.extensions(), started));
        let TraceRequest { execution, first, count } = request.into_inner();
        let execution = execution.ok_or_else(|| Status::invalid_argument("nothing to execute"))?;
        let (source, question) = request::read(execution, &self.description, &self.uploads)?;
        let admitted = self.admit()?;
        let (trace, events) = trace::open(Wanted { first, count }, deadline);
        let execution = Arc::clone(&self.execution);
        tokio::spawn(conduct(Arc::clone(&self.client), source, question, started, trace, execution, admitted));
        Ok(Response::new(events))
    }

    async fn upload(&self, request: Request<Streaming<UploadPart>>) -> Result<Response<UploadResponse>, Status> {
        self.uploads.receive(request.into_inner()).await.map(|()| Response::new(UploadResponse {}))
    }
}

impl<C: Client> Executor<C> {
    fn admit(&self) -> Result<OwnedSemaphorePermit, Status> {
        let admitted = Arc::clone(&self.admission).try_acquire_owned();
        admitted.map_err(|_| Status::resource_exhausted("all places, also those in the queue, are taken"))
    }

    async fn answer(
        &self,
        source: Source,
        question: Question,
        started: Instant,
        admitted: OwnedSemaphorePermit,
    ) -> Result<ExecuteResponse, Status> {
        let over = RaisedOnDrop::default();
        let place = Arc::clone(&self.execution)
            .acquire_owned()
            .await
            .map_err(|_| Status::unavailable("the adapter is ending"))?;
        let (sender, receiver) = oneshot::channel();
        let (client, cancelled) = (Arc::clone(&self.client), Arc::clone(&over.0));
        tokio::task::spawn_blocking(move || {
            let (response, leftover) = work::run(&*client, source, &question, cancelled, started, None);
            let report = work::report_line("executed", &question, &response);
            let _ = sender.send(response); // fails where nobody waits any more
            log::event(format_args!("{report}"));
            drop((leftover, place, admitted));
        });
        receiver.await.map_err(|_| Status::internal("the work ended without an answer"))
    }
}

/// Waits for a place, then executes into `trace`. The deadline also counts while nobody looks at the events.
async fn conduct<C: Client>(
    client: Arc<C>,
    source: Source,
    question: Question,
    started: Instant,
    mut trace: Trace,
    execution: Arc<Semaphore>,
    admitted: OwnedSemaphorePermit,
) {
    let place = tokio::select! {
        place = execution.acquire_owned() => place,
        () = trace.reader_gone() => return,
    };
    let (cancelled, deadline) = (trace.cancelled(), trace.deadline());
    let noticed = Arc::clone(&cancelled);
    let working = tokio::task::spawn_blocking(move || {
        let (response, leftover) = work::run(&*client, source, &question, noticed, started, Some(&mut trace));
        log::event(format_args!("{}", work::report_line("traced", &question, &response)));
        trace.finish(response);
        drop((leftover, place, admitted));
    });
    match deadline {
        Some(deadline) if tokio::time::timeout_at(deadline.into(), working).await.is_err() => {
            cancelled.store(true, Ordering::Relaxed);
        }
        _ => {} // a work that ended, or one that nothing but its reader ends
    }
}

/// When the request's headers came in, where the server noted it.
fn arrival(extensions: &Extensions, otherwise: Instant) -> Instant {
    extensions.get().map_or(otherwise, |&Arrival(arrived)| arrived)
}
