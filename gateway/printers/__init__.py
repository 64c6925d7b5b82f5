"""Objects to Tables: the columns of each kind and the cells of each object, as kube-apiserver prints them."""
