;; Never ends, and never calls the host.
(component
  (core module $guest
    (func (export "spin") (loop $again (br $again))))
  (core instance $guest (instantiate $guest))
  (func (export "spin") (canon lift (core func $guest "spin"))))
