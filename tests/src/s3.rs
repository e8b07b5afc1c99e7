//! A server that speaks S3 over the folders of a test: what weir writes to a bucket lies there as files.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use hyper::body::Incoming;
use hyper::header::{IF_MATCH, IF_NONE_MATCH};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, oneshot};

const KEY: &str = "weir";
const SECRET: &str = "not-a-secret";
const REGION: &str = "us-east-1";

/// A server that ends when this goes away.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl S3Server {
    /// Serves the folders inside `root` as buckets.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        let mut service = S3ServiceBuilder::new(FileSystem::new(root).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(&listener, &service) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// The variables by which a process finds it.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let endpoint = format!("http://{}", self.address);
        [("AWS_ENDPOINT", endpoint.as_str()), ("AWS_ALLOW_HTTP", "true"), ("AWS_REGION", REGION), ("AWS_ACCESS_KEY_ID", KEY)]
            .into_iter()
            .chain([("AWS_SECRET_ACCESS_KEY", SECRET)])
            .map(|(name, value)| (name, value.to_owned()))
            .collect()
    }

    /// A client of one bucket.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn bucket(&self, bucket: &str) -> Arc<dyn ObjectStore> {
        let client: AmazonS3 = AmazonS3Builder::new()
            .with_endpoint(format!("http://{}", self.address))
            .with_allow_http(true)
            .with_region(REGION)
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .with_bucket_name(bucket)
            .build()
            .unwrap();
        Arc::new(client)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has failed the requests already.
            drop(thread.join());
        }
    }
}

async fn serve(listener: &TcpListener, service: &S3Service) {
    // The library looks whether an object is there and then writes it; S3 does both at once.
    let conditional = Arc::new(Mutex::new(()));
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let (service, conditional) = (service.clone(), Arc::clone(&conditional));
        let answer = service_fn(move |request: Request<Incoming>| {
            let (service, conditional) = (service.clone(), Arc::clone(&conditional));
            // A request that has come is carried out, even if whoever sent it is killed meanwhile: the library would leave it half done.
            let done = tokio::spawn(async move {
                let _one_at_a_time = if is_conditional(&request) { Some(conditional.lock().await) } else { None };
                hyper::service::Service::call(&service, request).await
            });
            async move { done.await.unwrap() }
        });
        let mut connection = http1::Builder::new();
        tokio::spawn(connection.timer(TokioTimer::new()).serve_connection(TokioIo::new(socket), answer));
    }
}

fn is_conditional(request: &Request<Incoming>) -> bool {
    matches!(*request.method(), Method::PUT | Method::POST) && [IF_NONE_MATCH, IF_MATCH].iter().any(|header| request.headers().contains_key(header))
}
