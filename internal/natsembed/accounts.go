package natsembed

import "fmt"

const onlyAccount = `
no_auth_user: phub
accounts {
  %[1]q { jetstream: enabled, users: [ { user: phub, password: phub } ] }
}
`

// The system account has no user: nobody connects to it, the servers themselves use it.
const withSystem = `
no_auth_user: phub
system_account: SYS
accounts {
  SYS {
    exports: [
      { stream: "$SYS.ACCOUNT.%[1]s.DISCONNECT", accounts: [ %[1]q ] }
      { service: "$SYS.REQ.SERVER.*.KICK", accounts: [ %[1]q ] }
    ]
  }
  %[1]q {
    jetstream: enabled
    users: [ { user: phub, password: phub } ]
    imports: [
      { stream: { account: SYS, subject: "$SYS.ACCOUNT.%[1]s.DISCONNECT" }, to: "phub._sys.disconnect" }
      { service: { account: SYS, subject: "$SYS.REQ.SERVER.*.KICK" }, to: "phub._sys.kick.*" }
    ]
  }
}
`

// accounts returns the configuration of the clients' account; "" if it is the global one.
func (c Config) accounts() string {
	switch {
	case c.Account == "":
		return ""
	case c.System:
		return fmt.Sprintf(withSystem, c.Account)
	}
	return fmt.Sprintf(onlyAccount, c.Account)
}
