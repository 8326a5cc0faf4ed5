// Why a command line is refused: one line, and exit status 2.

export class WrongArguments extends Error {}
