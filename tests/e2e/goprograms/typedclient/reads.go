package main

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// reviews asks the endpoint who the caller is and what it may do.
func (s *session) reviews(ctx context.Context) error {
	if _, err := step("self subject review", func() (*authenticationv1.SelfSubjectReview, error) {
		return s.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	}); err != nil {
		return err
	}
	if _, err := step("self subject access review", func() (*authorizationv1.SelfSubjectAccessReview, error) {
		return s.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: s.namespace, Verb: "create", Group: "apps", Resource: "deployments",
			}},
		}, metav1.CreateOptions{})
	}); err != nil {
		return err
	}
	_, err := step("self subject rules review", func() (*authorizationv1.SelfSubjectRulesReview, error) {
		return s.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
			Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: s.namespace},
		}, metav1.CreateOptions{})
	})
	return err
}

type podPages struct {
	ResourceVersions []string `json:"resourceVersions"` // one a page
	Pages            []int    `json:"pages"`            // Pods in each page
	UIDs             []string `json:"uids"`
}

// pods lists the Pods of all namespaces page by page.
func (s *session) pods(ctx context.Context) error {
	_, err := step("list pods", func() (*podPages, error) {
		found := &podPages{}
		options := metav1.ListOptions{Limit: s.pageSize}
		for {
			page, err := s.CoreV1().Pods(metav1.NamespaceAll).List(ctx, options)
			if err != nil {
				return nil, err
			}
			found.ResourceVersions = append(found.ResourceVersions, page.ResourceVersion)
			found.Pages = append(found.Pages, len(page.Items))
			for _, pod := range page.Items {
				found.UIDs = append(found.UIDs, string(pod.UID))
			}
			if page.Continue == "" {
				return found, nil
			}
			options.Continue = page.Continue
		}
	})
	return err
}
