package server

import (
	"context"
	"errors"
)

// errFull is returned where neither a slot nor a place in the queue is free.
var errFull = errors.New("all slots and the queue are taken")

// An admission lets a number of requests in at a time, some more wait, and turns the rest away.
type admission struct {
	places chan struct{} // taken by those that are in and those that wait
	slots  chan struct{} // taken by those that are in
}

func newAdmission(slots, queue int) *admission {
	return &admission{places: make(chan struct{}, slots+queue), slots: make(chan struct{}, slots)}
}

// enter waits for a slot. It fails with errFull, or with ctx's error; otherwise leave must be called.
func (admission *admission) enter(ctx context.Context) error {
	select {
	case admission.places <- struct{}{}:
	default:
		return errFull
	}
	select {
	case admission.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-admission.places
		return ctx.Err()
	}
}

func (admission *admission) leave() {
	<-admission.slots
	<-admission.places
}
