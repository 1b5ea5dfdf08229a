#!@GUILE@/bin/guile --no-auto-compile
!#
;; What Guix's first services need of the root: reports, one line each, and powers the machine off.
(use-modules (ice-9 ftw) (ice-9 rdelim) (ice-9 textual-ports) (srfi srfi-1) (system foreign))

(define (report kind what)
  (format #t "guix: ~a ~a~%" kind what)
  (force-output))

(define (function name . arguments)
  (pointer->procedure int (dynamic-func name (dynamic-link)) arguments))

(define mount
  (let ((call (function "mount" '* '* '* unsigned-long '*)))
    (lambda (source target flags)
      (call (string->pointer source) (string->pointer target) (string->pointer "none") flags %null-pointer))))

(define (lines file)
  (string-split (call-with-input-file file get-string-all) #\newline))

;; The store is bound over itself, read-only (MS_BIND; then MS_REMOUNT and MS_RDONLY with it).
(report "store" (list (mount "/gnu/store" "/gnu/store" #x1000) (mount "/gnu/store" "/gnu/store" #x1021)))
(report "write-store" (catch 'system-error
                        (lambda () (mkdir "/gnu/store/written") 'succeeded)
                        (lambda arguments (strerror (system-error-errno arguments)))))
(report "write" (catch 'system-error
                  (lambda () (call-with-output-file "/var/written" (lambda (port) (display "x" port))) 'succeeded)
                  (lambda arguments (strerror (system-error-errno arguments)))))
(report "booted-system" (readlink "/run/booted-system"))
(report "mtab" (false-if-exception (readlink "/etc/mtab")))
(for-each (lambda (line) (report "mount" line)) (lines "/proc/self/mounts"))
(for-each
 (lambda (process)
   (let ((line (false-if-exception (call-with-input-file (string-append "/proc/" process "/cmdline") get-string-all))))
     (when (and line (string-prefix? "@" line))
       (report "survivor" (string-map (lambda (c) (if (char=? c #\nul) #\space c)) line)))))
 (scandir "/proc" string->number))
(report "end" "")
(sync)
;; RB_POWER_OFF
((function "reboot" int) #x4321fedc)
