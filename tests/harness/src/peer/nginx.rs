//! nginx as another HTTP server, whose files netroot only names.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::net::Net;
use crate::program::Program;

/// A running nginx on port 80.
#[derive(Debug)]
pub struct Nginx {
    /// Ends with this value.
    _program: Program,
}

impl Nginx {
    /// Serves the files of a folder. Its requests are lines of [`Nginx::requests`].
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(net: &Net, files: &Path) -> Result<Self> {
        let configuration = format!(
            "daemon off; master_process off; pid /run/nginx.pid; error_log stderr;
events {{ }}
http {{ log_format asked '$request_method $uri $status'; access_log {} asked;
client_body_temp_path /run/nginx-body; proxy_temp_path /run/nginx-proxy; fastcgi_temp_path /run/nginx-fastcgi;
uwsgi_temp_path /run/nginx-uwsgi; scgi_temp_path /run/nginx-scgi;
server {{ listen 80; root {}; }} }}",
            Self::log(net).display(),
            files.display()
        );
        let path = net.logs().join("nginx.conf");
        std::fs::write(&path, configuration)
            .with_context(|| format!("write {}", path.display()))?;
        let program = net.spawn(&["nginx", "-c", &path.display().to_string()])?;
        // Until it answers: that nothing has this name is an answer.
        let argv = [
            "curl",
            "-sS",
            "--retry",
            "120",
            "--retry-delay",
            "1",
            "--retry-connrefused",
            "-o",
            "/dev/null",
            "http://127.0.0.1/",
        ];
        let answered = net.run_for(&argv, Duration::from_secs(180))?;
        anyhow::ensure!(answered.status.success(), "nginx: {}", answered.stderr);
        Ok(Self { _program: program })
    }

    fn log(net: &Net) -> std::path::PathBuf {
        net.logs().join("nginx-requests.log")
    }

    /// What it was asked so far: method, path and status (`GET /disk.img 206`), one line each.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn requests(&self, net: &Net) -> Result<String> {
        let path = Self::log(net);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }
}
