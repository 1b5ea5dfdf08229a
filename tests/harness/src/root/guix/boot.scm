(begin
  (use-modules (ice-9 ftw))
  ;; Guix's start-up empties these, without leaving their file system and without stopping at an error.
  (for-each
   (lambda (directory)
     (catch 'system-error
       (lambda ()
         (let ((device (stat:dev (lstat directory))))
           (file-system-fold
            (lambda (path status result) (= device (stat:dev status)))
            (lambda (path status result) (delete-file path))
            (const #t)
            (lambda (path status result) (rmdir path))
            (const #t)
            (lambda (path status errno result) #f)
            #t directory lstat)))
       (const #f)))
   '("/tmp" "/var/run" "/run"))
  (for-each
   (lambda (directory)
     (catch 'system-error (lambda () (mkdir directory)) (const #f)))
   '("/tmp" "/var/run" "/run"))
  (primitive-load "@ACTIVATE@")
  (symlink (canonicalize-path "/run/current-system") "/run/booted-system")
  (format #t "@LINE@ (process ~a)~%" (getpid))
  (force-output)
  (execl "@SHEPHERD@" "shepherd"))
