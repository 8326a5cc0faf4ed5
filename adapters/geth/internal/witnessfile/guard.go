package witnessfile

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
)

// ErrFault is returned where the mapped bytes could not be read: the file was truncated while it was in use.
var ErrFault = errors.New("witness file: memory fault, the file was truncated while it was mapped")

// PanicError is a panic that Guarded caught.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the panic's value without the stack.
func (err *PanicError) Error() string { return fmt.Sprintf("panic: %v", err.Value) }

// Guarded runs work on this goroutine and turns a memory fault into ErrFault and any other panic into a *PanicError.
// Every access to mapped bytes must happen inside, as a fault outside ends the process. It covers only the goroutine
// that it runs on: one that work starts needs a Guarded of its own.
func Guarded(work func() error) (err error) {
	previous := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(previous)
		value := recover()
		if value == nil {
			return
		}
		// A fault's panic has the address (runtime/debug.SetPanicOnFault). A nil dereference is a runtime.Error
		// without one.
		if fault, ok := value.(interface{ Addr() uintptr }); ok {
			if _, ok := fault.(runtime.Error); ok {
				err = ErrFault
				return
			}
		}
		err = &PanicError{Value: value, Stack: debug.Stack()}
	}()
	return work()
}
