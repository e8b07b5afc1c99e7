;; The conformance plugin in plain WebAssembly text: `tokenize` and `count`, and all of weir's contract by hand, to learn it from.
;;
;; A component's functions take strings, lists and records. The canonical ABI says how a core module, which knows numbers and one memory only,
;; sees them:
;; - A parameter is flattened: a string or a list is a pointer and a length, a record is its fields one after another.
;; - A result of more than one number is a pointer to where it lies in memory, laid out as in C.
;; - Lists that the host passes are put into memory that `cabi_realloc` has given for them. When the host has read a result, it calls
;;   `cabi_post_...` of the function, and all memory of the call is free again.
;;
;; Memory:
;;      0  a result: of `open`, `process`, `finish`, `on-timers`, `migrate` (20 bytes)
;;     32  a number that is being made
;;     64  texts, and the description, which is a constant
;;   4096  the arena: what the host passes to a call; then, in `count`, what is known of its keys; last the output, which grows
(module
  ;; Imports are named by interface and function. A column (lengths and data) is four numbers.
  (import "weir:output/output@0.1.0" "emit" (func $emit (param $output i32) (param $rows i32) (param $rows-len i32)))
  (import "weir:state/keyed@0.1.0" "put"
    (func $put (param $state i32) (param $slots i32) (param $slots-len i32) (param $lengths i32) (param $lengths-len i32) (param $data i32) (param $data-len i32)))

  (memory (export "memory") 2)

  ;; ---- The description: a constant, as it lies in memory ----

  ;; plugin-description: name, version, sdk, functions; each is a pointer and a length.
  (data (i32.const 64) "\00\02\00\00\0b\00\00\00" "\0b\02\00\00\05\00\00\00" "\10\02\00\00\14\00\00\00" "\60\00\00\00\02\00\00\00")
  ;; At 96, function-description, twice: name, doc, kind (0 stateless, 1 keyed; padded to 4 bytes), inputs, outputs, states.
  (data (i32.const 96) "\30\02\00\00\08\00\00\00" "\38\02\00\00\3c\00\00\00" "\00\00\00\00" "\c0\00\00\00\01\00\00\00" "\d8\00\00\00\01\00\00\00" "\20\01\00\00\00\00\00\00")
  (data (i32.const 140) "\80\02\00\00\05\00\00\00" "\90\02\00\00\3a\00\00\00" "\01\00\00\00" "\f0\00\00\00\01\00\00\00" "\08\01\00\00\01\00\00\00" "\20\01\00\00\01\00\00\00")
  ;; At 192, the ports: name, key codec, value codec. `any` is a key that nobody looks at.
  (data (i32.const 192) "\e0\02\00\00\02\00\00\00" "\e8\02\00\00\03\00\00\00" "\f0\02\00\00\04\00\00\00") ;; tokenize: in, any, utf8
  (data (i32.const 216) "\e4\02\00\00\03\00\00\00" "\f0\02\00\00\04\00\00\00" "\f8\02\00\00\06\00\00\00") ;; tokenize: out, utf8, u64-le
  (data (i32.const 240) "\e0\02\00\00\02\00\00\00" "\f0\02\00\00\04\00\00\00" "\f8\02\00\00\06\00\00\00") ;; count: in, utf8, u64-le
  (data (i32.const 264) "\e4\02\00\00\03\00\00\00" "\f0\02\00\00\04\00\00\00" "\f8\02\00\00\06\00\00\00") ;; count: out, utf8, u64-le
  ;; At 288, the state: name, kind (0: value), codec, schema version 1, time to live as u64 (0: for ever).
  (data (i32.const 288) "\80\02\00\00\05\00\00\00" "\00\00\00\00" "\f8\02\00\00\06\00\00\00" "\01\00\00\00" "\00\00\00\00\00\00\00\00")
  (data (i32.const 512) "conformance" "0.1.0" "wat weir-guest 0.1.0") ;; at 512, 523, 528
  (data (i32.const 560) "tokenize" "Splits lines into lower-cased words, each with the number 1.") ;; 560, 568
  (data (i32.const 640) "count") ;; the function's name, and its state's
  (data (i32.const 656) "Adds up the numbers of each word and emits the sum so far.")
  (data (i32.const 736) "in") (data (i32.const 740) "out") (data (i32.const 744) "any") (data (i32.const 752) "utf8") (data (i32.const 760) "u64-le")

  ;; ---- Messages ----
  (data (i32.const 800) "this plugin has no such function")               ;; 32 bytes
  (data (i32.const 840) "not UTF-8")                                      ;; 9
  (data (i32.const 856) "the key is not UTF-8")                           ;; 20
  (data (i32.const 880) "the record has no key")                          ;; 21
  (data (i32.const 904) "not u64-le: 0000000000 bytes instead of 8")      ;; 12 before the number, 19 after it at 926
  (data (i32.const 952) "state `count`: not u64-le")                      ;; 25
  (data (i32.const 984) "the records of this call are cut off")           ;; 36
  (data (i32.const 1024) "this plugin has no timers, and has set none")   ;; 43
  (data (i32.const 1072) "state `count` has one version: there is no migration") ;; 52
  (data (i32.const 1136) "there is no input but 0")                       ;; 23

  ;; The function that was opened: 0 none, 1 tokenize, 2 count. An instance serves one function.
  (global $opened (mut i32) (i32.const 0))

  ;; ---- Memory: an arena that only grows, until the call is over ----

  (global $top (mut i32) (i32.const 4096))

  ;; Makes sure that the memory goes on to `end`. Where there is no more, that is a trap.
  (func $reach (param $end i32)
    (local $pages i32)
    (local.set $pages (i32.sub (i32.shr_u (i32.add (local.get $end) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (unreachable))))))

  ;; Gives `len` bytes. The host never makes a list longer that it has passed before, so there is nothing to copy.
  (func $alloc (export "cabi_realloc") (param $old i32) (param $old-len i32) (param $align i32) (param $len i32) (result i32)
    (local $at i32)
    ;; Round up to the alignment, which is a power of two.
    (local.set $at (i32.and (i32.sub (i32.add (global.get $top) (local.get $align)) (i32.const 1)) (i32.sub (i32.const 0) (local.get $align))))
    (global.set $top (i32.add (local.get $at) (local.get $len)))
    (call $reach (global.get $top))
    (local.get $at))

  ;; The host has read the result.
  (func $post (param $result i32)
    (global.set $top (i32.const 4096)))
  (export "cabi_post_weir:operator/operator@0.1.0#describe" (func $post))
  (export "cabi_post_weir:operator/operator@0.1.0#open" (func $post))
  (export "cabi_post_weir:operator/operator@0.1.0#process" (func $post))
  (export "cabi_post_weir:operator/operator@0.1.0#on-timers" (func $post))
  (export "cabi_post_weir:operator/operator@0.1.0#finish" (func $post))
  (export "cabi_post_weir:operator/operator@0.1.0#migrate" (func $post))

  ;; ---- Results, at 0 ----

  ;; `result<...>`: the first byte is 0 for ok.
  (func $ok (result i32)
    (i32.store (i32.const 0) (i32.const 0))
    (i32.const 0))

  ;; `failure`: at 4 whether there is a row, at 8 the row, at 12 the message.
  (func $fail (param $message i32) (param $message-len i32) (result i32)
    (i32.store (i32.const 0) (i32.const 1))
    (i32.store (i32.const 4) (i32.const 0))
    (i32.store (i32.const 12) (local.get $message))
    (i32.store (i32.const 16) (local.get $message-len))
    (i32.const 0))

  ;; The host applies the operator's error policy to this record, and calls again with the others.
  (func $refuse (param $row i32) (param $message i32) (param $message-len i32) (result i32)
    (drop (call $fail (local.get $message) (local.get $message-len)))
    (i32.store (i32.const 4) (i32.const 1))
    (i32.store (i32.const 8) (local.get $row))
    (i32.const 0))

  ;; "not u64-le: N bytes instead of 8", which is written from its end: the words after N lie at 926.
  (func $refuse-length (param $row i32) (param $length i32) (result i32)
    (local $at i32)
    (local.set $at (i32.const 926))
    (loop $digit
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $length) (i32.const 10))))
      (local.set $length (i32.div_u (local.get $length) (i32.const 10)))
      (br_if $digit (local.get $length)))
    ;; The words before N, "not u64-le: ", are moved to where N begins.
    (local.set $at (i32.sub (local.get $at) (i32.const 12)))
    (i32.store (i32.add (local.get $at) (i32.const 8)) (i32.const 0x203a656c)) ;; "le: "
    (i64.store (local.get $at) (i64.const 0x2d34367520746f6e))                ;; "not u64-"
    (call $refuse (local.get $row) (local.get $at) (i32.sub (i32.const 945) (local.get $at))))

  ;; ---- The contract's exports ----

  (func (export "weir:operator/operator@0.1.0#describe") (result i32)
    (i32.const 64))

  ;; function: string, config: list<tuple<string, string>>, subtask: { uid: string, index, parallelism, max-parallelism } -> result<_, string>
  (func (export "weir:operator/operator@0.1.0#open")
    (param $function i32) (param $function-len i32) (param $config i32) (param $config-len i32)
    (param $uid i32) (param $uid-len i32) (param $index i32) (param $parallelism i32) (param $max-parallelism i32) (result i32)
    (if (call $equal (local.get $function) (local.get $function-len) (i32.const 560) (i32.const 8))
      (then (global.set $opened (i32.const 1)) (return (call $ok))))
    (if (call $equal (local.get $function) (local.get $function-len) (i32.const 640) (i32.const 5))
      (then (global.set $opened (i32.const 2)) (return (call $ok))))
    ;; An error is a string here: it lies where a failure has its row.
    (i32.store (i32.const 0) (i32.const 1))
    (i32.store (i32.const 4) (i32.const 800))
    (i32.store (i32.const 8) (i32.const 32))
    (i32.const 0))

  ;; input, records: rows, keys: { slots: list<u32>, values: list<column> }, context: { watermark, processing-time } -> result<_, failure>
  (func (export "weir:operator/operator@0.1.0#process")
    (param $input i32) (param $rows i32) (param $rows-len i32) (param $slots i32) (param $slots-len i32) (param $values i32) (param $values-len i32)
    (param $watermark i64) (param $processing-time i64) (result i32)
    (if (local.get $input) (then (return (call $fail (i32.const 1136) (i32.const 23)))))
    (if (i32.eq (global.get $opened) (i32.const 1))
      (then (return (call $tokenize (local.get $rows) (i32.add (local.get $rows) (local.get $rows-len))))))
    ;; `values` has one column, of the only state: lengths (pointer, count), data (pointer, bytes).
    (if (i32.eq (global.get $opened) (i32.const 2))
      (then (return (call $count (local.get $rows) (i32.add (local.get $rows) (local.get $rows-len)) (local.get $slots)
        (i32.load (local.get $values)) (i32.load offset=4 (local.get $values)) (i32.load offset=8 (local.get $values))))))
    (call $fail (i32.const 800) (i32.const 32)))

  (func (export "weir:operator/operator@0.1.0#on-timers")
    (param i32 i32 i32 i32 i32 i32 i32 i64 i64) (result i32)
    (call $fail (i32.const 1024) (i32.const 43)))

  (func (export "weir:operator/operator@0.1.0#finish") (param $watermark i64) (param $processing-time i64) (result i32)
    (call $ok))

  ;; state: string, from-version, values: column -> result<column, failure>
  (func (export "weir:operator/operator@0.1.0#migrate") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $fail (i32.const 1072) (i32.const 52)))

  ;; ---- Rows: key-length, value-length, timestamp (s64), key, value ----

  ;; The value of the row at `row`, after its key; a key length of 0xffffffff: no key.
  (func $value-of (param $row i32) (result i32)
    (local $key-len i32)
    (local.set $key-len (i32.load (local.get $row)))
    (i32.add (i32.add (local.get $row) (i32.const 16))
      (select (i32.const 0) (local.get $key-len) (i32.eq (local.get $key-len) (i32.const -1)))))

  ;; ---- The output: a buffer at the top of the arena ----

  (global $out (mut i32) (i32.const 0))     ;; where it begins
  (global $out-end (mut i32) (i32.const 0)) ;; where the next row goes

  (func $begin-output
    ;; Numbers in memory may lie anywhere, but aligned ones are read faster.
    (global.set $out (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $out-end (global.get $out)))

  (func $flush-output
    (if (i32.ne (global.get $out) (global.get $out-end))
      (then (call $emit (i32.const 0) (global.get $out) (i32.sub (global.get $out-end) (global.get $out)))))
    (global.set $out-end (global.get $out)))

  ;; Room for a row of `len` bytes. What has come together is handed to the host when it is more than 1 MiB.
  (func $room (param $len i32)
    (if (i32.gt_u (i32.sub (global.get $out-end) (global.get $out)) (i32.const 0x100000)) (then (call $flush-output)))
    (if (i32.gt_u (i32.add (global.get $out-end) (local.get $len)) (i32.shl (memory.size) (i32.const 16)))
      ;; A quarter more than is needed, so that the memory doesn't grow page by page.
      (then (call $reach (i32.add (i32.add (global.get $out-end) (local.get $len)) (i32.const 0x40000))))))

  ;; ---- tokenize ----

  (func $tokenize (param $row i32) (param $end i32) (result i32)
    (local $i i32) (local $at i32) (local $value-end i32)
    (call $begin-output)
    (block $done
      (loop $each-row
        (br_if $done (i32.eq (local.get $row) (local.get $end)))
        (local.set $at (call $value-of (local.get $row)))
        (local.set $value-end (i32.add (local.get $at) (i32.load offset=4 (local.get $row))))
        (if (i32.gt_u (local.get $value-end) (local.get $end)) (then (return (call $fail (i32.const 984) (i32.const 36)))))
        (if (i32.eqz (call $is-utf8 (local.get $at) (local.get $value-end)))
          (then (return (call $refuse (local.get $i) (i32.const 840) (i32.const 9)))))
        (call $words (local.get $at) (local.get $value-end) (i64.load offset=8 (local.get $row)))
        (local.set $row (local.get $value-end))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $each-row)))
    (call $flush-output)
    (call $ok))

  ;; Emits each word of the line with the number 1. Bytes that aren't ASCII belong to words, whatever character they are of.
  (func $words (param $at i32) (param $end i32) (param $timestamp i64)
    (local $to i32) (local $row i32) (local $byte i32)
    (loop $each-word
      ;; A word is at most the rest of the line.
      (call $room (i32.add (i32.sub (local.get $end) (local.get $at)) (i32.const 24)))
      (local.set $row (global.get $out-end))
      (local.set $to (i32.add (local.get $row) (i32.const 16)))
      (block $word-ends
        (loop $each-byte
          (br_if $word-ends (i32.eq (local.get $at) (local.get $end)))
          (local.set $byte (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          ;; Whitespace: space, and 9 to 13. As unsigned numbers, all below 9 are large after the subtraction.
          (br_if $word-ends (i32.eq (local.get $byte) (i32.const 32)))
          (br_if $word-ends (i32.lt_u (i32.sub (local.get $byte) (i32.const 9)) (i32.const 5)))
          ;; A-Z: bit 5 makes them lower case.
          (i32.store8 (local.get $to)
            (i32.or (local.get $byte)
              (i32.shl (i32.lt_u (i32.sub (local.get $byte) (i32.const 65)) (i32.const 26)) (i32.const 5))))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (br $each-byte)))
      ;; Between two spaces there is no word.
      (if (i32.ne (local.get $to) (i32.add (local.get $row) (i32.const 16)))
        (then
          (i32.store (local.get $row) (i32.sub (local.get $to) (i32.add (local.get $row) (i32.const 16))))
          (i32.store offset=4 (local.get $row) (i32.const 8))
          (i64.store offset=8 (local.get $row) (local.get $timestamp))
          (i64.store (local.get $to) (i64.const 1))
          (global.set $out-end (i32.add (local.get $to) (i32.const 8)))))
      (br_if $each-word (i32.ne (local.get $at) (local.get $end)))))

  ;; ---- count ----

  ;; Slots number the distinct keys of the call. What is known of each lies in a cell of 16 bytes: what it is (0 there is no value, 1 as the host
  ;; has it, 2 of a wrong length, 3 set by this call), whether its key was looked at, the value.
  (func $count (param $row i32) (param $end i32) (param $slots i32) (param $lengths i32) (param $keys i32) (param $data i32) (result i32)
    (local $i i32) (local $cells i32) (local $cell i32) (local $value i32) (local $key-len i32) (local $total i64)
    (local.set $cells (call $cells (local.get $lengths) (local.get $keys) (local.get $data)))
    (call $begin-output)
    (block $done
      (loop $each-row
        (br_if $done (i32.eq (local.get $row) (local.get $end)))
        (local.set $key-len (i32.load (local.get $row)))
        (local.set $value (call $value-of (local.get $row)))
        (if (i32.eq (local.get $key-len) (i32.const -1)) (then (return (call $refuse (local.get $i) (i32.const 880) (i32.const 21)))))
        (if (i32.gt_u (i32.add (local.get $value) (i32.load offset=4 (local.get $row))) (local.get $end))
          (then (return (call $fail (i32.const 984) (i32.const 36)))))
        ;; The slot of record i.
        (local.set $cell (i32.add (local.get $cells)
          (i32.shl (i32.load (i32.add (local.get $slots) (i32.shl (local.get $i) (i32.const 2)))) (i32.const 4))))
        ;; A key is looked at once, for all its records in the call.
        (if (i32.eqz (i32.load offset=4 (local.get $cell)))
          (then
            (if (i32.eqz (call $is-utf8 (i32.add (local.get $row) (i32.const 16)) (local.get $value)))
              (then (return (call $refuse (local.get $i) (i32.const 856) (i32.const 20)))))
            (i32.store offset=4 (local.get $cell) (i32.const 1))))
        (if (i32.ne (i32.load offset=4 (local.get $row)) (i32.const 8))
          (then (return (call $refuse-length (local.get $i) (i32.load offset=4 (local.get $row))))))
        (if (i32.eq (i32.load (local.get $cell)) (i32.const 2)) (then (return (call $refuse (local.get $i) (i32.const 952) (i32.const 25)))))
        ;; The new total, for later records of this key and for the host.
        (local.set $total (i64.add (i64.load offset=8 (local.get $cell)) (i64.load (local.get $value))))
        (i32.store (local.get $cell) (i32.const 3))
        (i64.store offset=8 (local.get $cell) (local.get $total))
        ;; Emit the row as it came, with the total instead of its value.
        (call $room (i32.add (local.get $key-len) (i32.const 24)))
        (memory.copy (global.get $out-end) (local.get $row) (i32.add (local.get $key-len) (i32.const 16)))
        (i64.store offset=16 (i32.add (global.get $out-end) (local.get $key-len)) (local.get $total))
        (global.set $out-end (i32.add (global.get $out-end) (i32.add (local.get $key-len) (i32.const 24))))
        (local.set $row (i32.add (local.get $value) (i32.const 8)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $each-row)))
    (call $flush-output)
    (call $put-changed (local.get $cells) (local.get $keys))
    (call $ok))

  ;; Makes the cells from the host's column: for each key a length, 0xffffffff where there is no value; the values back to back.
  (func $cells (param $lengths i32) (param $keys i32) (param $data i32) (result i32)
    (local $cells i32) (local $cell i32) (local $end i32) (local $length i32)
    (local.set $cells (call $alloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.shl (local.get $keys) (i32.const 4))))
    (local.set $cell (local.get $cells))
    (local.set $end (i32.add (local.get $cells) (i32.shl (local.get $keys) (i32.const 4))))
    (block $done
      (loop $each-key
        (br_if $done (i32.eq (local.get $cell) (local.get $end)))
        ;; Memory of the arena has been used before.
        (i64.store (local.get $cell) (i64.const 0))
        (i64.store offset=8 (local.get $cell) (i64.const 0))
        (local.set $length (i32.load (local.get $lengths)))
        (if (i32.ne (local.get $length) (i32.const -1))
          (then
            (if (i32.eq (local.get $length) (i32.const 8))
              (then
                (i32.store (local.get $cell) (i32.const 1))
                (i64.store offset=8 (local.get $cell) (i64.load (local.get $data))))
              (else (i32.store (local.get $cell) (i32.const 2))))
            (local.set $data (i32.add (local.get $data) (local.get $length)))))
        (local.set $lengths (i32.add (local.get $lengths) (i32.const 4)))
        (local.set $cell (i32.add (local.get $cell) (i32.const 16)))
        (br $each-key)))
    (local.get $cells))

  ;; One `put` for all keys: slots, and a column of the new values. The output is with the host by now, so its place is free.
  (func $put-changed (param $cells i32) (param $keys i32)
    (local $slots i32) (local $lengths i32) (local $data i32) (local $slot i32) (local $n i32) (local $cell i32)
    (local.set $slots (call $alloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.shl (local.get $keys) (i32.const 2))))
    (local.set $lengths (call $alloc (i32.const 0) (i32.const 0) (i32.const 4) (i32.shl (local.get $keys) (i32.const 2))))
    (local.set $data (call $alloc (i32.const 0) (i32.const 0) (i32.const 8) (i32.shl (local.get $keys) (i32.const 3))))
    (block $done
      (loop $each-key
        (br_if $done (i32.eq (local.get $slot) (local.get $keys)))
        (local.set $cell (i32.add (local.get $cells) (i32.shl (local.get $slot) (i32.const 4))))
        (if (i32.eq (i32.load (local.get $cell)) (i32.const 3))
          (then
            (i32.store (i32.add (local.get $slots) (i32.shl (local.get $n) (i32.const 2))) (local.get $slot))
            (i32.store (i32.add (local.get $lengths) (i32.shl (local.get $n) (i32.const 2))) (i32.const 8))
            (i64.store (i32.add (local.get $data) (i32.shl (local.get $n) (i32.const 3))) (i64.load offset=8 (local.get $cell)))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))))
        (local.set $slot (i32.add (local.get $slot) (i32.const 1)))
        (br $each-key)))
    (if (local.get $n)
      (then (call $put (i32.const 0) (local.get $slots) (local.get $n) (local.get $lengths) (local.get $n) (local.get $data) (i32.shl (local.get $n) (i32.const 3))))))

  ;; ---- Bytes and texts ----

  (func $equal (param $a i32) (param $a-len i32) (param $b i32) (param $b-len i32) (result i32)
    (if (i32.ne (local.get $a-len) (local.get $b-len)) (then (return (i32.const 0))))
    (loop $each-byte
      (if (i32.eqz (local.get $b-len)) (then (return (i32.const 1))))
      (local.set $b-len (i32.sub (local.get $b-len) (i32.const 1)))
      (br_if $each-byte (i32.eq
        (i32.load8_u (i32.add (local.get $a) (local.get $b-len)))
        (i32.load8_u (i32.add (local.get $b) (local.get $b-len))))))
    (i32.const 0))

  ;; Whether the bytes are UTF-8: no surrogates, nothing above U+10FFFF, nothing longer than it need be.
  (func $is-utf8 (param $at i32) (param $end i32) (result i32)
    (local $first i32) (local $second i32) (local $more i32)
    (loop $next
      ;; ASCII, eight bytes at a time: no byte has its highest bit.
      (block $not-ascii
        (loop $eight
          (br_if $not-ascii (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)))
          (br_if $not-ascii (i64.ne (i64.and (i64.load (local.get $at)) (i64.const 0x8080808080808080)) (i64.const 0)))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $eight)))
      (if (i32.eq (local.get $at) (local.get $end)) (then (return (i32.const 1))))
      (local.set $first (i32.load8_u (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $first) (i32.const 0x80)))
      ;; The first byte says how many follow: C2-DF one, E0-EF two, F0-F4 three.
      (if (i32.or (i32.lt_u (local.get $first) (i32.const 0xc2)) (i32.gt_u (local.get $first) (i32.const 0xf4))) (then (return (i32.const 0))))
      (local.set $more (i32.add (i32.const 1) (i32.add (i32.ge_u (local.get $first) (i32.const 0xe0)) (i32.ge_u (local.get $first) (i32.const 0xf0)))))
      (if (i32.gt_u (local.get $more) (i32.sub (local.get $end) (local.get $at))) (then (return (i32.const 0))))
      ;; The second byte is narrower after four first ones: E0 A0-BF, ED 80-9F, F0 90-BF, F4 80-8F.
      (local.set $second (i32.load8_u (local.get $at)))
      (if (i32.or
            (i32.or
              (i32.and (i32.eq (local.get $first) (i32.const 0xe0)) (i32.lt_u (local.get $second) (i32.const 0xa0)))
              (i32.and (i32.eq (local.get $first) (i32.const 0xed)) (i32.gt_u (local.get $second) (i32.const 0x9f))))
            (i32.or
              (i32.and (i32.eq (local.get $first) (i32.const 0xf0)) (i32.lt_u (local.get $second) (i32.const 0x90)))
              (i32.and (i32.eq (local.get $first) (i32.const 0xf4)) (i32.gt_u (local.get $second) (i32.const 0x8f)))))
        (then (return (i32.const 0))))
      ;; All that follow are 80-BF.
      (loop $following
        (if (i32.ne (i32.and (i32.load8_u (local.get $at)) (i32.const 0xc0)) (i32.const 0x80)) (then (return (i32.const 0))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $more (i32.sub (local.get $more) (i32.const 1)))
        (br_if $following (local.get $more)))
      (br $next))
    (i32.const 0))
)
