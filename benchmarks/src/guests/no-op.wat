;; Gives back its parameter. CONSTANT makes one tool differ from the next; it is `0` where there is one only.
(component
  (core module $guest
    (memory (export "memory") 1)
    (func (export "same") (param i32) (result i32)
      (i32.store (i32.const 8) (i32.const CONSTANT))
      (local.get 0)))
  (core instance $guest (instantiate $guest))
  (func (export "same") (param "value" u32) (result u32) (canon lift (core func $guest "same"))))
