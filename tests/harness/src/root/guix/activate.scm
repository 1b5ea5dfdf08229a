#!@GUILE@/bin/guile --no-auto-compile
!#
(begin
  (use-modules (ice-9 textual-ports))
  ;; The system is known from the command line alone.
  (let* ((words (string-tokenize (call-with-input-file "/proc/cmdline" get-string-all)))
         (prefix "gnu.system=")
         (given (filter (lambda (word) (string-prefix? prefix word)) words))
         (system (substring (car given) (string-length prefix))))
    (format #t "making '~a' the current system...~%" system)
    (symlink system "/run/current-system.new")
    (rename-file "/run/current-system.new" "/run/current-system"))
  (unless (file-exists? "/etc")
    (mkdir "/etc"))
  (symlink "/run/current-system/profile" "/etc/profile-of-the-system"))
