package replica

// Unsafe switches safety rules off, one by one. It is for tests only: they show that the simulator
// finds out: see rules_test.go in internal/sim. With any of them on, promises are broken.
type Unsafe struct {
	DoorByTimer   bool // the door does not look at the lease: only the timer that ends trust does
	NoAsk         bool // who is to follow serves without asking those before it to let go
	ForgetRelease bool // who let go serves again by the entry that it had
	AnyRelease    bool // a release counts for whatever entry there is now
	KeepTenure    bool // a new incarnation goes on with what the one before it served
	ShareOn       bool // a replica that is to be the only active one serves on beside those that were so with it
	LetGoWorking  bool // a replica lets go before its worker has heard that it is passive, and while its active work goes on
	GuessSub      bool // a subscription whose change failed is taken as unchanged
	ReportFailing bool // a replica is reported as given up while its handler still runs
}
