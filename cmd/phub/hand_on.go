package main

// handOn returns flags and variables by which another phub connects as this one does. What must not be
// seen in a list of processes goes into variables.
func (c *connection) handOn() (flags, env []string) {
	for _, f := range [][2]string{
		{"--server", c.server},
		{"--context", c.context},
		{"--creds", c.creds},
		{"--nkey", c.nkey},
		{"--tlscert", c.cert},
		{"--tlskey", c.key},
		{"--tlsca", c.ca},
		{"--inbox-prefix", c.inboxPrefix},
		{"--js-domain", c.jsDomain},
	} {
		if f[1] != "" {
			flags = append(flags, f[0], f[1])
		}
	}
	for flag, on := range map[string]bool{"--no-context": c.noContext, "--tlsfirst": c.tlsFirst} {
		if on {
			flags = append(flags, flag)
		}
	}
	for _, v := range [][2]string{{"NATS_USER", c.user}, {"NATS_PASSWORD", c.password}, {"NATS_TOKEN", c.token}} {
		if v[1] != "" {
			env = append(env, v[0]+"="+v[1])
		}
	}
	return flags, env
}
