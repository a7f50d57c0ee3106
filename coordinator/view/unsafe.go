package view

// Unsafe switches safety rules off, one by one. It is for tests only: they show that the simulator
// finds out: see rules_test.go in internal/sim. With any of them on, promises are broken.
type Unsafe struct {
	// Leases and authority.
	TrustFromAnswer   bool // trust counts from the answer to a renewal, not from before it was sent
	NoMargin          bool // trust lasts for the whole lease
	KeepTrust         bool // trust outlives the connection
	FromStrict        bool // a hub with failover strict may get another one while it runs
	NoContact         bool // trust needs no sign of life from the node's own server
	GrantAnyway       bool // leases are granted without authority
	AuthorityByGrants bool // the coordinator's authority is renewed by what it grants
	IgnoreFence       bool // an incarnation whose record was fenced goes on, and writes over the fence
	TakeBehind        bool // a lease is taken from a coordinator that knows less than the node
	ActAnyway         bool // the coordinator commits and answers requests without authority

	// Pledges.
	NoBacking         bool // the coordinator does not ask who stands behind it
	WithdrawEarly     bool // a member withdraws before a lease has passed
	PledgeWithdrawn   bool // one that has withdrawn pledges on
	PledgeToAnyone    bool // a pledge counts whoever it names
	PledgeFromArrival bool // a pledge counts from its arrival, not from the answer that it speaks of
	OldWithdrawals    bool // what a member withdrew in an earlier view counts
	NoProposals       bool // views that may have been committed are not looked at

	// Removal and takeover.
	NoFence            bool // members are removed without a fence
	NoCoordinatorFence bool // the coordinator is replaced without a fence
	OldRecords         bool // the record of an incarnation that came before is taken as one that came after
	NoWait             bool // a fenced member is removed at once
	NoCoordinatorWait  bool // a fenced coordinator is replaced at once
	GrantFenced        bool // a node that is being removed is still granted its lease
	NotJustSeen        bool // a successor counts from the records, not from its takeover
	FenceRenewsNothing bool // a fence is taken as if no renewal before it could have been missed
	MissedFence        bool // so is a new incarnation's record
	LeadUnproven       bool // a node takes over although its own record may be fenced or old
	UnsureAnyway       bool // who may have missed views takes over at once
	KeyAnyway          bool // what a node writes over junk that may have hidden a fence renews its lease
	VouchOverForeign   bool // a coordinator in doubt commits over what somebody else stored as the view
	OldFences          bool // a fence of the coordinator counts although a later view names a record after it
	FoundAnyway        bool // a hub's first view does not wait for traces of an earlier one
	FoundUnfenced      bool // nor is anybody fenced before it who may have been a member by an earlier one

	// Evidence.
	SilenceProves  bool // a server that does not answer proves that the connection is closed
	StrictTakesIt  bool // a closed connection is proof in a hub that is strict, too
	StaleEvidence  bool // a node's record is enough to know its connection
	LateRecords    bool // so is one that arrives after the takeover
	NoConfirm      bool // a coordinator acts on a new connection before anybody knows of it
	ConfirmKnown   bool // who may have become a member by a commit of unknown outcome need not know of it
	ConfirmFenced  bool // who fenced the coordinator still confirms it
	HiddenRecords  bool // a record that may hide the coordinator's last one is taken as if it hid none
	NewcomersProve bool // a newcomer takes the closing of the coordinator's connection as proof
	ReportProves   bool // a report of a closed connection is proof, whoever sent it
	ChangeMembers  bool // members change before the coordinator's record names its connection

	// Other hubs of the name.
	AnyHub bool // a hub of the same name is taken for this one

	// Live records.
	ObeyLive    bool // a live record that looks like the next one is taken as stored
	ObeyRecords bool // so are live records of nodes, whatever they say
	AwaitHints  bool // what somebody spoke of is waited for until it is read
	FenceUnread bool // a node that is silent is fenced on the word of its live records

	// Lateness.
	LateIsLost bool // who was held up finds others silent who were not, and takes no late answer
	Crowding   bool // what all nodes do because somebody is late they do in a large hub as in a small one

	// History.
	GuessCommit     bool // a commit whose outcome is unknown is taken as done
	ObeyForeign     bool // entries that no view counts are obeyed
	NumberByView    bool // the next view's number looks at the last view only
	NumberByBuckets bool // a coordinator's first number does not look at the clock
	NoSince         bool // an incarnation has what an earlier one of its name had
	AnyMembership   bool // a lease is taken that was granted after a departure and another admission, neither of which the node knows
	ReuseNames      bool // a name is admitted again while something is left of its last incarnation
	ForgetGone      bool // a view tells only of its own departures
	KeepMissed      bool // a view that follows on missed ones keeps who may have departed in those
	AnyRead         bool // the answer to a read that began from another history is taken
	OldView         bool // a view that is older than entries are of is taken as the last one
	BelieveViews    bool // a view is obeyed whoever wrote it

	// Records.
	BelieveRecords bool // a record is taken whoever wrote it
	PutBack        bool // so is one that its author wrote before others

	// Placement.
	OldBeats      bool // heartbeats are taken by views from before the coordinator's time
	OldReports    bool // reports are taken in whatever order they arrive
	ReportsInPart bool // what a node still waits for is not looked at
	DropAfter     bool // an entry forgets whom its active replica waits for, before that one serves
	ForgetGivenUp bool // so it does if that one was given up before it served
	SharedBefore  bool // an entry that has one replica active alone waits only for those that were active by the last one
	UnknownBefore bool // an entry without a predecessor waits for nobody
	NoInherit     bool // a successor decides before it has read what its predecessors stored
	NoRenewal     bool // a successor does not write again what its predecessors stored and nobody placed
	UndoRead      bool // what somebody else did to a spec is undone by what was read before it
	StopsKeepGone bool // an entry names a node that is gone for as long as its child is being stopped
	EndedAnyway   bool // that a worker ended stops its child, whatever spec there is by now
	NoBackOff     bool // a write that was refused is tried again at once
	KeepFailing   bool // an active replica that keeps failing stays active
	AckEarly      bool // starts and stops are acknowledged before they are stored
}
