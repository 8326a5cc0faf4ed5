// Package outcome holds the two answers that are not values: the block breaks a rule, or the adapter cannot tell.
package outcome

import (
	"fmt"
	"strings"

	"execution-verifier/adapters/geth/internal/rpcv1"
)

// maxDetail is the longest detail that is sent, in bytes. A detail is one line for people.
const maxDetail = 500

// BrokenRule says that the block breaks a rule of the protocol.
type BrokenRule struct {
	Rule   rpcv1.Rule
	Detail string
}

// Error gives the rule and the values.
func (broken *BrokenRule) Error() string { return broken.Rule.String() + ": " + broken.Detail }

// Abstention says that this adapter cannot tell whether the block is valid.
type Abstention struct {
	Reason  rpcv1.AbstentionReason
	Detail  string
	Missing []*rpcv1.Missing // for WITNESS_INSUFFICIENT, never empty then
}

// Error gives the reason and the detail.
func (abstention *Abstention) Error() string {
	return abstention.Reason.String() + ": " + abstention.Detail
}

// Break returns a BrokenRule.
func Break(rule rpcv1.Rule, format string, arguments ...any) error {
	return &BrokenRule{Rule: rule, Detail: Line(format, arguments...)}
}

// Refuse returns an abstention for a file that is damaged, of another block, or on another state.
func Refuse(format string, arguments ...any) error {
	return &Abstention{Reason: rpcv1.AbstentionReason_ABSTENTION_REASON_REFUSED, Detail: Line(format, arguments...)}
}

// Unsupported returns an abstention for a block of a fork that this client lacks.
func Unsupported(format string, arguments ...any) error {
	return &Abstention{
		Reason: rpcv1.AbstentionReason_ABSTENTION_REASON_UNSUPPORTED_FORK, Detail: Line(format, arguments...),
	}
}

// Crash returns an abstention for a panic of the client that was contained, or a state that it should not get into.
func Crash(format string, arguments ...any) error {
	return &Abstention{Reason: rpcv1.AbstentionReason_ABSTENTION_REASON_CRASHED, Detail: Line(format, arguments...)}
}

// Insufficient returns an abstention that names what the witness lacks; there must be at least one.
func Insufficient(missing []*rpcv1.Missing) error {
	first := missing[0]
	detail := fmt.Sprintf("missing %s", name(first))
	if len(missing) > 1 {
		detail += fmt.Sprintf(" and %d more", len(missing)-1)
	}
	return &Abstention{
		Reason:  rpcv1.AbstentionReason_ABSTENTION_REASON_WITNESS_INSUFFICIENT,
		Detail:  Line("%s", detail),
		Missing: missing,
	}
}

func name(missing *rpcv1.Missing) string {
	var text string
	switch missing.Kind {
	case rpcv1.Missing_KIND_NODE:
		text = fmt.Sprintf("node 0x%x", missing.Hash)
	case rpcv1.Missing_KIND_CODE:
		text = fmt.Sprintf("code 0x%x", missing.Hash)
	case rpcv1.Missing_KIND_ACCOUNT:
		text = fmt.Sprintf("account 0x%x", missing.Address)
	case rpcv1.Missing_KIND_SLOT:
		text = fmt.Sprintf("slot 0x%x of account 0x%x", missing.Key, missing.Address)
	default:
		text = fmt.Sprintf("header %d", missing.Number)
		if len(missing.Hash) > 0 {
			text += fmt.Sprintf(" 0x%x", missing.Hash)
		}
	}
	if missing.Where != "" {
		text += " (" + missing.Where + ")"
	}
	return text
}

// Line formats a message and makes one line of valid UTF-8 of it that is not too long.
func Line(format string, arguments ...any) string {
	text := strings.ToValidUTF8(fmt.Sprintf(format, arguments...), "?")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' }), " ")
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	return text
}
