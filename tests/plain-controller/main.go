// A domain verifier as one writes it with controller-runtime in an afternoon: a token and a condition in the
// status, one DNS lookup, one Event. It lets many objects have one domain and never checks again. The bench
// runs it beside Freehold on the same work.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"net"
	"os"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const (
	lookupDeadline = 5 * time.Second
	retry          = time.Second
	verified       = "Verified"
)

var groupVersion = schema.GroupVersion{Group: "bench.freehold.dev", Version: "v1"}

// Claim says that a domain is somebody's.
type Claim struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              ClaimSpec   `json:"spec"`
	Status            ClaimStatus `json:"status,omitempty"`
}

type ClaimSpec struct {
	Domain string `json:"domain"`
}

type ClaimStatus struct {
	State      string             `json:"state,omitempty"`
	Token      string             `json:"token,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

type ClaimList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Claim `json:"items"`
}

func (claim *Claim) copy() *Claim {
	copied := *claim
	claim.ObjectMeta.DeepCopyInto(&copied.ObjectMeta)
	copied.Status.Conditions = slices.Clone(claim.Status.Conditions)
	return &copied
}

func (claim *Claim) DeepCopyObject() runtime.Object { return claim.copy() }

func (list *ClaimList) DeepCopyObject() runtime.Object {
	copied := *list
	copied.Items = nil
	for index := range list.Items {
		copied.Items = append(copied.Items, *list.Items[index].copy())
	}
	return &copied
}

type reconciler struct {
	client.Client
	events   events.EventRecorder
	resolver *net.Resolver
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	claim := &Claim{}
	if err := r.Get(ctx, request.NamespacedName, claim); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if claim.Status.State == verified {
		return ctrl.Result{}, nil
	}
	if claim.Status.Token == "" {
		if err := r.patch(ctx, claim, "Pending", rand.Text(), metav1.ConditionFalse, "publish the TXT record"); err != nil {
			return ctrl.Result{}, err
		}
	}
	if !r.isPublished(ctx, claim) {
		return ctrl.Result{RequeueAfter: retry}, nil
	}
	if err := r.patch(ctx, claim, verified, claim.Status.Token, metav1.ConditionTrue, "the TXT record was found"); err != nil {
		return ctrl.Result{}, err
	}
	r.events.Eventf(claim, nil, corev1.EventTypeNormal, verified, "Verify", "domain %s is verified", claim.Spec.Domain)
	return ctrl.Result{}, nil
}

func (r *reconciler) patch(ctx context.Context, claim *Claim, state, token string, status metav1.ConditionStatus, message string) error {
	before := client.MergeFrom(claim.copy())
	claim.Status.State, claim.Status.Token = state, token
	meta.SetStatusCondition(&claim.Status.Conditions, metav1.Condition{
		Type:               verified,
		Status:             status,
		Reason:             state,
		Message:            message,
		ObservedGeneration: claim.Generation,
	})
	return r.Status().Patch(ctx, claim, before)
}

func (r *reconciler) isPublished(ctx context.Context, claim *Claim) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupDeadline)
	defer cancel()
	values, err := r.resolver.LookupTXT(ctx, "_plain-challenge."+claim.Spec.Domain+".")
	return err == nil && slices.Contains(values, "token="+claim.Status.Token)
}

func run() error {
	dns := flag.String("dns", "", "ADDRESS:PORT of the DNS server")
	concurrency := flag.Int("concurrency", 1, "reconciles at once")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(groupVersion, &Claim{}, &ClaimList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	// The API server is the limit, not the client.
	config.QPS = -1
	manager, err := ctrl.NewManager(config, ctrl.Options{Scheme: scheme, Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, *dns)
	}
	reconciler := &reconciler{
		Client:   manager.GetClient(),
		events:   manager.GetEventRecorder("plain-controller"),
		resolver: &net.Resolver{PreferGo: true, Dial: dial},
	}
	err = ctrl.NewControllerManagedBy(manager).
		For(&Claim{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: *concurrency}).
		Complete(reconciler)
	if err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

func main() {
	if err := run(); err != nil {
		ctrl.Log.Error(err, "the controller ended")
		os.Exit(1)
	}
}
