//! The door: what Python sees of the plane. The only crate that names pyo3, and it decides nothing.
//!
//! Two frozen classes and a function with plain values; `python/turnout/_native.pyi` is their manual. Whatever may wait
//! detaches from the interpreter. The plane never calls Python.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use turnout_plane::plane::Problem;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The one place where an error becomes a Python exception.
fn raise(problem: Problem) -> PyErr {
    let text = problem.to_string();
    match problem {
        Problem::Snapshot(_) => PyValueError::new_err(text),
        Problem::State(_) => PyRuntimeError::new_err(text),
        Problem::Io(error) => match error.raw_os_error() {
            Some(code) => PyOSError::new_err((code, text)),
            None => PyOSError::new_err(text),
        },
    }
}

/// The plane of this process.
#[pyclass(frozen, module = "turnout._native")]
struct Plane {
    inner: turnout_plane::Plane,
}

#[pymethods]
impl Plane {
    #[new]
    #[pyo3(signature = (snapshot, *, listeners, control_socket, state_dir))]
    fn new(
        py: Python<'_>,
        snapshot: &[u8],
        listeners: Vec<i32>,
        control_socket: Option<PathBuf>,
        state_dir: PathBuf,
    ) -> PyResult<Self> {
        let listeners = listeners
            .into_iter()
            .map(take_listener)
            .collect::<PyResult<Vec<_>>>()?;
        py.detach(|| turnout_plane::Plane::new(snapshot, listeners, control_socket, &state_dir))
            .map(|inner| Plane { inner })
            .map_err(raise)
    }

    fn start(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| self.inner.start()).map_err(raise)?;
        Ok(self
            .inner
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect())
    }

    fn swap(&self, py: Python<'_>, snapshot: &[u8]) -> PyResult<u64> {
        py.detach(|| self.inner.swap(snapshot)).map_err(raise)
    }

    fn explain<'py>(&self, py: Python<'py>, request: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        py.detach(|| self.inner.explain(request))
            .map(|told| PyBytes::new(py, &told))
            .map_err(PyValueError::new_err)
    }

    fn reload_failed(&self, message: String) {
        self.inner.reload_failed(message);
    }

    fn drain_journal<'py>(
        &self,
        py: Python<'py>,
        records_max: usize,
        wait_ms: u64,
    ) -> (Bound<'py, PyBytes>, u64) {
        let (batch, token) = py.detach(|| {
            self.inner
                .drain_journal(records_max, Duration::from_millis(wait_ms))
        });
        (PyBytes::new(py, &batch), token)
    }

    fn commit_journal(&self, py: Python<'_>, token: u64) -> PyResult<()> {
        py.detach(|| self.inner.commit_journal(token))
            .map_err(|unknown| PyValueError::new_err(unknown.to_string()))
    }

    fn spent(&self, json: &[u8]) -> PyResult<()> {
        self.inner
            .spent(json)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    #[pyo3(signature = (sha256))]
    fn usage(&self, sha256: Option<&str>) -> String {
        self.inner.usage(sha256)
    }

    #[pyo3(signature = (message))]
    fn ledger_behind(&self, message: Option<String>) {
        self.inner.ledger_behind(message);
    }

    fn begin_drain(&self) {
        self.inner.begin_drain();
    }

    fn stop(&self, py: Python<'_>) -> bool {
        py.detach(|| self.inner.stop())
    }

    fn health(&self) -> String {
        self.inner.health()
    }

    fn statistics<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| self.inner.statistics()))
    }

    fn metrics(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.metrics())
    }
}

/// Duplicates a descriptor of Python's into a listener of ours.
fn take_listener(descriptor: i32) -> PyResult<TcpListener> {
    descriptor::duplicate(descriptor).map_err(|error| {
        PyOSError::new_err(format!(
            "file descriptor {descriptor} cannot be used as a listening socket: {error}"
        ))
    })
}

mod descriptor {
    //! The one place that has to trust a number from Python.
    #![allow(unsafe_code)]

    use std::io;
    use std::net::TcpListener;
    use std::os::fd::BorrowedFd;

    /// Duplicates `descriptor`, so that Python's own socket object stays the owner of the original.
    pub(super) fn duplicate(descriptor: i32) -> io::Result<TcpListener> {
        if descriptor < 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the descriptor is not negative, and it is only borrowed for this call: the kernel checks whether it
        // is open, and says EBADF when it is not.
        let owned = unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()?;
        Ok(TcpListener::from(owned))
    }
}

/// The scripted provider.
#[pyclass(frozen, module = "turnout._native")]
struct Mock {
    inner: turnout_mock::Mock,
}

#[pymethods]
impl Mock {
    #[new]
    #[pyo3(signature = (listen, *, threads = 1, record = false))]
    fn new(py: Python<'_>, listen: &str, threads: usize, record: bool) -> PyResult<Self> {
        py.detach(|| turnout_mock::Mock::start(listen, threads, record))
            .map(|inner| Mock { inner })
            .map_err(|error| PyOSError::new_err(format!("mock on {listen}: {error}")))
    }

    #[getter]
    fn address(&self) -> String {
        self.inner.address().to_string()
    }

    fn received(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.received_json())
    }

    fn reset(&self) {
        self.inner.reset();
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.inner.stop());
    }
}

#[pyfunction]
#[pyo3(signature = (prices, usage, *, service_tier = None))]
fn cost(prices: &[u8], usage: &[u8], service_tier: Option<&str>) -> PyResult<(u64, u64, u64)> {
    turnout_wire::cost::of_json(prices, usage, service_tier)
        .map(|cost| (cost.total_nano, cost.prompt_nano, cost.completion_nano))
        .map_err(|error| PyValueError::new_err(error.to_string()))
}

#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::{Mock, Plane, cost};

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        use pyo3::types::PyModuleMethods as _;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
