-- name: get_key_hash
-- What opens this shop's API.
select key_hash from shop_account where shop_id = :shop_id;

-- name: set_key_hash
-- A new key; the one before stops working with this commit.
insert into shop_account(shop_id, key_hash) values (:shop_id, :key_hash)
on conflict (shop_id) do update set key_hash = excluded.key_hash;

-- name: set_first_key_hash
-- Nothing comes back when it has a key.
insert into shop_account(shop_id, key_hash) values (:shop_id, :key_hash)
on conflict (shop_id) do nothing returning shop_id;

-- name: take_ids
-- The next ids of a kind; returns the last of them. The row is locked until the commit, so nobody gets them twice.
insert into shop_sequence(shop_id, kind, last) values (:shop_id, :kind, :first + :amount - 1)
on conflict (shop_id, kind) do update set last = shop_sequence.last + :amount
returning last;

-- name: insert_order
-- A new order.
insert into shop_order(shop_id, id, status, total_amount, created_at, paid_at, status_at, search, document)
values (:shop_id, :id, :status, :total_amount, :created_at, :paid_at, :status_at, :search, :document);

-- name: update_order
-- What a change made of it.
update shop_order set status = :status, total_amount = :total_amount, paid_at = :paid_at, status_at = :status_at,
  search = :search, document = :document
where shop_id = :shop_id and id = :id;

-- name: get_order
-- One order.
select id, status, created_at, paid_at, status_at, document from shop_order where shop_id = :shop_id and id = :id;

-- name: list_orders
-- A page of the orders that pass the filters, newest first: follows the primary key and stops at the limit.
select id, status, created_at, paid_at, status_at, document from shop_order
where shop_id = :shop_id
  and id between :lowest_id and :highest_id
  and status between :lowest_status and :highest_status
  and coalesce(paid_at, -1) between :paid_from and :paid_to
  and status_at >= :status_from
  and search like :search escape '\'
order by id desc limit :limit offset :offset;

-- name: list_orders_sorted
-- The same in any other order; reads and sorts all of the shop's orders.
select id, status, created_at, paid_at, status_at, document from shop_order
where shop_id = :shop_id
  and id between :lowest_id and :highest_id
  and status between :lowest_status and :highest_status
  and coalesce(paid_at, -1) between :paid_from and :paid_to
  and status_at >= :status_from
  and search like :search escape '\'
order by
  case :order_by when 'price' then cast(total_amount as numeric) when 'date' then created_at else id end * :direction,
  id * :direction
limit :limit offset :offset;

-- name: insert_product
-- A new product.
insert into shop_product(shop_id, id, sku, changed_at, search, document)
values (:shop_id, :id, :sku, :changed_at, :search, :document);

-- name: update_product
-- What an edit or a sale made of it.
update shop_product set sku = :sku, changed_at = :changed_at, search = :search, document = :document
where shop_id = :shop_id and id = :id;

-- name: delete_product
-- For ever; its id is not given out again.
delete from shop_product where shop_id = :shop_id and id = :id;

-- name: get_product
-- One product.
select id, changed_at, document from shop_product where shop_id = :shop_id and id = :id;

-- name: find_products
-- The products with this sku, on themselves or on a variant; two rows are enough to know that it is not unique.
select id, changed_at, document from shop_product
where shop_id = :shop_id
  and (sku = :sku or id in (select product_id from shop_variant where shop_id = :shop_id and sku = :sku))
order by id limit 2;

-- name: find_variant
-- The product that a variant belongs to.
select product_id from shop_variant where shop_id = :shop_id and id = :id;

-- name: list_products
-- A page of the products that match, newest first.
select id, changed_at, document from shop_product
where shop_id = :shop_id and search like :search escape '\'
order by id desc limit :limit offset :offset;

-- name: count_products
-- All products, visible or not.
select count(*) as products from shop_product where shop_id = :shop_id;

-- name: insert_variant
-- The variant can be found by its id and its sku.
insert into shop_variant(shop_id, id, product_id, sku) values (:shop_id, :id, :product_id, :sku);

-- name: delete_variants
-- Before a product's variants are written anew, and with the product.
delete from shop_variant where shop_id = :shop_id and product_id = :product_id;

-- name: count_things
-- Whether the shop was ever used.
select (select count(*) from shop_product where shop_id = :shop_id)
  + (select count(*) from shop_order where shop_id = :shop_id) as things;

-- name: list_categories
-- All of them; a shop has few, and a path needs its parents.
select id, parent_id, name from shop_category where shop_id = :shop_id order by id;

-- name: insert_category
-- A new category.
insert into shop_category(shop_id, id, parent_id, name) values (:shop_id, :id, :parent_id, :name);

-- name: list_metadata
-- What is written beside one order or product.
select name, value from shop_metadata
where shop_id = :shop_id and kind = :kind and owner_id = :owner_id order by name;

-- name: put_metadata
-- A text under a new or a known name.
insert into shop_metadata(shop_id, kind, owner_id, name, value) values (:shop_id, :kind, :owner_id, :name, :value)
on conflict (shop_id, kind, owner_id, name) do update set value = excluded.value;

-- name: drop_metadata
-- An empty text deletes the name.
delete from shop_metadata where shop_id = :shop_id and kind = :kind and owner_id = :owner_id and name = :name;

-- name: forget_metadata
-- With the product.
delete from shop_metadata where shop_id = :shop_id and kind = :kind and owner_id = :owner_id;
