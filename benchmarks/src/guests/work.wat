;; Turns so many times, each time with a step the compiler cannot foresee, and gives back where it came to.
(component
  (core module $guest
    (func (export "work") (param $turns i64) (result i64)
      (local $state i64)
      (local.set $state (i64.const 1))
      (loop $again
        (local.set $state
          (i64.add (i64.mul (local.get $state) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
        (br_if $again
          (i64.ne (local.tee $turns (i64.sub (local.get $turns) (i64.const 1))) (i64.const 0))))
      (local.get $state)))
  (core instance $guest (instantiate $guest))
  (func (export "work") (param "turns" u64) (result u64) (canon lift (core func $guest "work"))))
