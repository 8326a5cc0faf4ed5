package lifeline

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// WatchReader calls end, once, when nobody can read any more what is written to output, a pipe. Of anything else it
// never does. A supervisor that was killed is so noticed in the middle of work that takes minutes, where the end of the
// input is not: it may also mean that there are no more requests.
func WatchReader(output *os.File, end func(reason string)) {
	// Errors are told without being asked for, and nothing else is of interest (poll(2), POLLERR).
	polled := []unix.PollFd{{Fd: int32(output.Fd())}}
	go func() {
		for {
			_, err := unix.Poll(polled, -1)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err == nil && polled[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				end("nobody reads the output")
			}
			return
		}
	}()
}
