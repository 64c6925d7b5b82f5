package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
)

const name = "typedclient"

var labels = map[string]string{"app": name}

// lifecycle takes a Namespace, a ConfigMap, a Secret and a Deployment through their lives.
func (s *session) lifecycle(ctx context.Context) error {
	namespaces := s.CoreV1().Namespaces()
	if _, err := step("create namespace", func() (*corev1.Namespace, error) {
		return namespaces.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}, metav1.CreateOptions{})
	}); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{s.configMap, s.secret, s.deployment} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if err := deleted("delete namespace", func() error {
		return namespaces.Delete(ctx, s.namespace, metav1.DeleteOptions{})
	}); err != nil {
		return err
	}
	return deleted("namespace ends", func() error {
		return wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			_, err := namespaces.Get(ctx, s.namespace, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		})
	})
}

func (s *session) configMap(ctx context.Context) error {
	configMaps := s.CoreV1().ConfigMaps(s.namespace)
	created, err := step("create configmap", func() (*corev1.ConfigMap, error) {
		return configMaps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{GenerateName: name + "-", Labels: labels},
			Data:       map[string]string{"key": "value"},
			BinaryData: map[string][]byte{"bytes": {0, 1, 255}},
		}, metav1.CreateOptions{})
	})
	if err != nil {
		return err
	}
	stale := created.DeepCopy()
	created.Data["key"] = "updated"
	if _, err = step("update configmap", func() (*corev1.ConfigMap, error) {
		return configMaps.Update(ctx, created, metav1.UpdateOptions{})
	}); err != nil {
		return err
	}
	if _, err = step("stale update is a conflict", func() (metav1.StatusReason, error) {
		stale.Data["key"] = "stale"
		if _, err := configMaps.Update(ctx, stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
			return "", fmt.Errorf("expected a conflict, got: %w", err)
		}
		return metav1.StatusReasonConflict, nil
	}); err != nil {
		return err
	}
	return deleted("delete configmap", func() error {
		return configMaps.Delete(ctx, created.Name, *metav1.NewPreconditionDeleteOptions(string(created.UID)))
	})
}

func (s *session) secret(ctx context.Context) error {
	secrets := s.CoreV1().Secrets(s.namespace)
	if _, err := step("create secret", func() (*corev1.Secret, error) {
		return secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
			StringData: map[string]string{"password": "correct horse"},
		}, metav1.CreateOptions{})
	}); err != nil {
		return err
	}
	if _, err := step("get secret", func() (*corev1.Secret, error) {
		return secrets.Get(ctx, name, metav1.GetOptions{})
	}); err != nil {
		return err
	}
	if _, err := step("list secrets", func() (*corev1.SecretList, error) {
		return secrets.List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
	}); err != nil {
		return err
	}
	return deleted("delete secrets", func() error {
		return secrets.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "app=" + name})
	})
}

func (s *session) deployment(ctx context.Context) error {
	deployments := s.AppsV1().Deployments(s.namespace)
	if _, err := step("create deployment", func() (*appsv1.Deployment, error) {
		return deployments.Create(ctx, newDeployment(), metav1.CreateOptions{})
	}); err != nil {
		return err
	}
	got, err := step("get deployment", func() (*appsv1.Deployment, error) {
		return deployments.Get(ctx, name, metav1.GetOptions{})
	})
	if err != nil {
		return err
	}
	if _, err = step("list deployments", func() (*appsv1.DeploymentList, error) {
		return deployments.List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
	}); err != nil {
		return err
	}
	patches := map[types.PatchType]string{
		types.JSONPatchType:           `[{"op": "add", "path": "/metadata/annotations", "value": {"json": "patched"}}]`,
		types.MergePatchType:          `{"metadata": {"annotations": {"merge": "patched"}}}`,
		types.StrategicMergePatchType: `{"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "app:2"}]}}}}`,
	}
	for _, patchType := range []types.PatchType{types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType} {
		if _, err = step("patch deployment "+string(patchType), func() (*appsv1.Deployment, error) {
			return deployments.Patch(ctx, name, patchType, []byte(patches[patchType]), metav1.PatchOptions{})
		}); err != nil {
			return err
		}
	}
	if _, err = step("scale deployment", func() (scaled *autoscalingv1.Scale, err error) {
		// A controller that writes the status in between is no fault of the server.
		err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			scale, err := deployments.GetScale(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			scale.Spec.Replicas = 3
			scaled, err = deployments.UpdateScale(ctx, name, scale, metav1.UpdateOptions{})
			return err
		})
		return scaled, err
	}); err != nil {
		return err
	}
	return deleted("delete deployment", func() error {
		background := metav1.DeletePropagationBackground
		return deployments.Delete(ctx, name, metav1.DeleteOptions{
			PropagationPolicy: &background, Preconditions: metav1.NewUIDPreconditions(string(got.UID)),
		})
	})
}

func newDeployment() *appsv1.Deployment {
	replicas := int32(2)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
			},
		},
	}
}
